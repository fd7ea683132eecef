//! PHP's own door on a network: each site heeds what the daemon protects there.

use std::fs;
use std::path::Path;

use super::{BLOG_ID, TWO, network};
use crate::harness::client::FORM;
use crate::harness::eventually::until;
use crate::harness::http;
use crate::harness::site::PLAIN_HOOK;

#[tokio::test]
async fn each_site_refuses_what_its_own_daemon_protects() {
    let real = network().await;
    let content = real.installation.root().join("wp-content/mu-plugins");
    fs::create_dir_all(&content).unwrap();
    for file in [
        "deploy/mu-plugin/fcom-sidecar.php",
        "tests/data/php/mu-plugins/portal.php",
    ] {
        let source = Path::new(env!("CARGO_MANIFEST_DIR")).join(file);
        fs::copy(&source, content.join(source.file_name().unwrap())).unwrap();
    }
    let environment = [
        (BLOG_ID, TWO.id),
        ("FCOM_SIDECAR__MAIL__TRANSPORT", "off"),
        ("FCOM_SIDECAR__PROTECTION__SHOP__WEBHOOK_ID", "3"),
        (
            "FCOM_SIDECAR__PROTECTION__SHOP__ALLOWED_NETWORKS",
            "192.0.2.1",
        ),
    ];
    let sidecar = real.sidecar_with(&environment).await;
    let named = format!(
        "SELECT COUNT(*) FROM {}fcom_sidecar_guard WHERE subject = 'webhook 3'",
        TWO.prefix
    );
    until("the table does not name it", async || {
        real.site.number(&named).await == 1
    })
    .await;
    drop(sidecar);
    // Both sites have a webhook with this id and this key.
    for (path, status) in [("/two/", 503), ("/", 200), ("/two/", 503)] {
        let target =
            format!("{path}?fcom_route=x&fcom_action=incoming_webhook&webhook={PLAIN_HOOK}");
        let headers = [("Content-Type", FORM)];
        let body = b"email=ann%40example.com";
        let response = http::request(real.server.address, "POST", &target, &headers, body).await;
        let response = response.unwrap();
        assert_eq!(response.status, status, "{path}: {}", response.text());
    }
    let executed = fs::read_to_string(real.installation.root().join("executed")).unwrap();
    assert_eq!(executed, "3 ann@example.com\n");
    // On a site without a daemon the plugin makes no table, and disturbs nobody.
    let page = http::request(real.server.address, "GET", "/wp-cron.php", &[], b"").await;
    assert_eq!(page.unwrap().status, 200);
    let tables = real.site.column("SHOW TABLES LIKE '%\\_guard'").await;
    assert_eq!(tables, [format!("{}fcom_sidecar_guard", TWO.prefix)]);
}
