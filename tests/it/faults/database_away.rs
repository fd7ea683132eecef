//! What callers see during a database outage, and that recovery needs no action.

use std::sync::Arc;

use fcom_sidecar::sample::server::PrivateServer;

use crate::harness::eventually::until;
use crate::harness::invariants;
use crate::harness::sidecar::Sidecar;
use crate::harness::site::{PLAIN_HOOK, Site, server_options};

/// How long the daemon may take to notice that its database is back.

#[tokio::test]
async fn calls_get_503_while_the_database_is_away_and_work_again_when_it_is_back() {
    let server = Arc::new(PrivateServer::start(server_options()).await.unwrap());
    let site = Site::on(server.clone(), "71").await;
    let sidecar = Sidecar::start(&site).await;
    let client = &sidecar.client;
    let before = client
        .call(PLAIN_HOOK, &[("email", "before@example.com")])
        .await;
    assert_eq!(before.status, 200);

    server.kill();
    for _ in 0..3 {
        let response = client
            .call(PLAIN_HOOK, &[("email", "during@example.com")])
            .await;
        assert_eq!(response.status, 503, "{}", response.text());
        let wait: u64 = response.header("retry-after").unwrap().parse().unwrap();
        assert!((1..=3600).contains(&wait));
        assert_eq!(response.json()["status"], "error");
        assert_eq!(
            response.header("content-type"),
            Some("application/json; charset=UTF-8")
        );
    }
    assert_eq!(client.admin_status("/healthz").await, 200);
    assert_eq!(client.admin_status("/readyz").await, 503);

    server.restart().await.unwrap();
    until("the daemon does not find its database again", async || {
        let fields = [("email", "after@example.com")];
        let response = client.call(PLAIN_HOOK, &fields).await;
        if response.status != 200 {
            assert_eq!(response.status, 503, "{}", response.text());
        }
        response.status == 200
    })
    .await;
    client.readiness_becomes(200).await;
    let names = "SELECT user_login FROM wp_users WHERE ID > 12 ORDER BY ID";
    assert_eq!(site.column(names).await, ["before", "after"]);
    invariants::wait_for_tally(&site).await;
    invariants::assert_hold(&site).await;
}
