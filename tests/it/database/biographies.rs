//! Biographies of users who have no community profile yet.

use std::sync::Arc;

use fcom_sidecar::sample::server::PrivateServer;

use crate::harness::eventually::until;
use crate::harness::sidecar::Sidecar;
use crate::harness::site::{PLAIN_HOOK, Site, server_options};

const USER: u64 = 500;

/// Hostile text takes long to render. WordPress must not wait for that, so the transaction that finds a biography ends
/// before it is rendered; another one writes the profile.
#[tokio::test]
async fn a_biography_is_rendered_while_no_row_is_locked() {
    let server = Arc::new(PrivateServer::start(server_options()).await.unwrap());
    let site = Site::on(server, "71").await;
    let sidecar = Sidecar::start(&site).await;
    site.execute(&format!(
        "INSERT INTO wp_users (ID, user_login, user_nicename, user_email, display_name)
            VALUES ({USER}, 'writer', 'writer', 'writer@example.com', 'Writer');
        INSERT INTO wp_usermeta (user_id, meta_key, meta_value) VALUES ({USER}, 'description', 'I *write*');
        SET GLOBAL log_output = 'TABLE', general_log = ON"
    ))
    .await;
    let fields = [("email", "writer@example.com")];
    assert_eq!(sidecar.client.execute(PLAIN_HOOK, &fields).await, USER);
    let profile = format!(
        "SELECT COUNT(*) FROM wp_fcom_xprofile WHERE user_id = {USER} AND short_description = 'I *write*' \
         AND meta LIKE '%<p>I <em>write</em></p>%'"
    );
    assert_eq!(site.number(&profile).await, 1);

    let log = "(SELECT event_time, thread_id, CONVERT(argument USING utf8mb4) AS argument FROM mysql.general_log \
         WHERE command_type IN ('Execute', 'Query') AND argument NOT LIKE '%general_log%') log";
    let reads = "argument LIKE '%SELECT meta_key,%' AND argument LIKE '%_fluent_cover_photo%'";
    let count = format!("SELECT COUNT(*) FROM {log} WHERE {reads}");
    assert_eq!(site.number(&count).await, 2, "one without a lock to keep");
    // In the background.
    until("the rollback", async || {
        let ended = format!(
            "SELECT COUNT(*) FROM {log} WHERE argument = 'ROLLBACK' \
             AND thread_id = (SELECT thread_id FROM {log} WHERE {reads} ORDER BY event_time LIMIT 1) \
             AND event_time > (SELECT MIN(event_time) FROM {log} WHERE {reads})"
        );
        site.number(&ended).await > 0
    })
    .await;
}
