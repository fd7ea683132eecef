//! A call that stays in progress while others come: what they do then is not all that they do alone.

use sqlx::{MySql, Transaction};
use tokio::task::JoinHandle;

use crate::harness::client::Client;
use crate::harness::http::Response;
use crate::harness::site::{PLAIN_HOOK, Site};

/// For the daemon's environment: the call waits for as long as a test may take.
pub(crate) const PATIENT: (&str, &str) =
    ("FCOM_SIDECAR__DATABASE__LOCK_WAIT_TIMEOUT_SECONDS", "600");

/// Waits for a member whose row somebody else has locked, and for whom nobody else calls. Such a call keeps no other from its
/// turn.
pub(crate) struct Company<'a> {
    holder: Transaction<'a, MySql>,
    call: JoinHandle<Response>,
}

impl<'a> Company<'a> {
    /// Starts the call.
    pub(crate) async fn start(site: &'a Site, client: &Client) -> Self {
        let member = "SELECT ID FROM wp_users WHERE ID = 6 FOR UPDATE";
        let holder = site.lock(member).await;
        let client = client.clone();
        let call = tokio::spawn(async move {
            let email = [("email", "john@other.example.com")];
            client.call(PLAIN_HOOK, &email).await
        });
        site.a_call_waits().await;
        Self { holder, call }
    }

    /// Lets the call come to its end.
    pub(crate) async fn end(self) {
        self.holder.rollback().await.unwrap();
        assert_eq!(self.call.await.unwrap().status, 200);
    }
}
