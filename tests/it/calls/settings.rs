//! Settings of the site apply to the next call, settings of the daemon from its start.

use crate::harness::passwords;
use crate::harness::sidecar::Sidecar;
use crate::harness::site::{PLAIN_HOOK, Site};

async fn create(sidecar: &Sidecar, fields: &[(&str, &str)]) -> u64 {
    let response = sidecar.client.call(PLAIN_HOOK, fields).await;
    assert_eq!(response.status, 200, "{}", response.text());
    response.json()["user_id"].as_u64().unwrap()
}

#[tokio::test]
async fn what_changes_in_wp_admin_holds_for_the_next_call() {
    let site = Site::new("71").await;
    let sidecar = Sidecar::start(&site).await;
    let capabilities = |id: u64| {
        format!(
            "SELECT meta_value FROM wp_usermeta WHERE user_id = {id} AND meta_key = 'wp_capabilities'"
        )
    };
    let first = create(&sidecar, &[("email", "ann@example.com")]).await;
    let role = site.text(&capabilities(first)).await;
    assert_eq!(role.as_deref(), Some(r#"a:1:{s:10:"subscriber";b:1;}"#));

    site.execute(
        "UPDATE wp_options SET option_value = 'editor' WHERE option_name = 'default_role'",
    )
    .await;
    site.execute(
        r#"UPDATE wp_fcom_meta SET value = 'a:1:{s:9:"space_ids";a:1:{i:0;i:3;}}' WHERE id = 3"#,
    )
    .await;
    let second = create(&sidecar, &[("email", "bob@example.com")]).await;
    let role = site.text(&capabilities(second)).await;
    assert_eq!(role.as_deref(), Some(r#"a:1:{s:6:"editor";b:1;}"#));
    let spaces = format!("SELECT space_id FROM wp_fcom_space_user WHERE user_id = '{second}'");
    assert_eq!(site.column(&spaces).await, ["3"]);
    let record = site
        .text("SELECT value FROM wp_fcom_meta WHERE id = 3")
        .await;
    let counted = r#"a:2:{s:9:"space_ids";a:1:{i:0;i:3;}s:13:"running_count";i:1;}"#;
    assert_eq!(record.as_deref(), Some(counted));

    site.execute("DELETE FROM wp_fcom_meta WHERE id = 3").await;
    let fields = [("email", "eve@example.com")];
    assert_eq!(sidecar.client.call(PLAIN_HOOK, &fields).await.status, 404);
}

#[tokio::test]
async fn supplied_passwords_are_hashed_as_configured() {
    for (fixture, configured, expected) in [
        ("61", "phpass", "$P$B"),
        ("61", "wordpress", "$P$B"),
        ("68", "phpass", "$P$B"),
        ("68", "wordpress", "$wp$2y$"),
        ("71", "wordpress", "$wp$2y$"),
    ] {
        let site = Site::new(fixture).await;
        let environment = [("FCOM_SIDECAR__WORDPRESS__PASSWORD_HASH", configured)];
        let sidecar = Sidecar::start_with(&site, &environment).await;
        let password = r#" it's \ a "pässword" "#;
        let fields = [("email", "ann@example.com"), ("user_password", password)];
        let id = create(&sidecar, &fields).await;
        let hash = format!("SELECT user_pass FROM wp_users WHERE ID = {id}");
        let hash = site.text(&hash).await.unwrap();
        assert!(hash.starts_with(expected), "{fixture} {configured}: {hash}");
        assert!(
            passwords::accepts(&hash, password, site.wordpress),
            "{fixture}: {hash}"
        );
    }
}
