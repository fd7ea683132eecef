//! Access on a network: closed sites, missing sites, and users with access to everything.

use super::{BLOG_ID, PREFIX, TWO, described, network, serve};
use crate::harness::sidecar::Sidecar;
use crate::harness::site::{LEAVING_HOOK, PLAIN_HOOK, SPACES_HOOK};

#[tokio::test]
async fn super_admins_of_the_network_see_every_space() {
    let real = network().await;
    let sidecar = serve(&real, TWO).await;
    let fields = [("email", "sue@example.com"), ("user_login", "sue")];
    let id = sidecar.client.execute(SPACES_HOOK, &fields).await;
    let sql = format!(
        "UPDATE {PREFIX}sitemeta SET meta_value = 'a:2:{{i:0;s:5:\"admin\";i:1;s:3:\"sue\";}}' \
         WHERE meta_key = 'site_admins'"
    );
    real.site.execute(&sql).await;
    assert_eq!(described(&real, TWO, &[id], None).await[0]["manages"], true);
    sidecar.client.execute(LEAVING_HOOK, &fields).await;
    let spaces = "SELECT COUNT(*) FROM wpx_2_fcom_spaces WHERE type IN ('community', 'course')";
    let expected = format!("a:{}:{{", real.site.number(spaces).await);
    let seen = format!(
        "SELECT meta_value FROM {PREFIX}usermeta WHERE user_id = {id} AND meta_key = '_fcom_space_ids'"
    );
    let seen = real.site.text(&seen).await.unwrap();
    assert!(seen.starts_with(&expected), "{seen}");
}

#[tokio::test]
async fn a_site_that_is_closed_or_not_there_is_refused() {
    let real = network().await;
    let sidecar = serve(&real, TWO).await;
    let fields = [("email", "ann@example.com")];
    for (flag, status) in [("archived", 503), ("spam", 503), ("deleted", 503)] {
        let set =
            |value: &str| format!("UPDATE {PREFIX}blogs SET {flag} = {value} WHERE blog_id = 2");
        real.site.execute(&set("1")).await;
        let response = sidecar.client.call(PLAIN_HOOK, &fields).await;
        assert_eq!(response.status, status, "{flag}");
        real.site.execute(&set("0")).await;
    }
    assert!(sidecar.log().contains("site 2 of the network is archived"));
    let users = format!("SELECT COUNT(*) FROM {PREFIX}users");
    assert_eq!(real.site.number(&users).await, 1);
    sidecar.client.execute(PLAIN_HOOK, &fields).await;

    let plugins = "a:1:{s:45:\"fluent-community-pro/fluent-community-pro.php\";i:1;}";
    let sql = format!(
        "REPLACE INTO {PREFIX}sitemeta (site_id, meta_key, meta_value) VALUES (1, 'active_sitewide_plugins', '{plugins}')"
    );
    real.site.execute(&sql).await;
    let host = real.server.address;
    for (id, found) in [
        ("1", format!("site 1 ({host}/) of network 1")),
        ("2", format!("site 2 ({host}/two/) of network 1")),
        (
            "9",
            format!("the network has no site 9, but 1 ({host}/), 2 ({host}/two/)"),
        ),
    ] {
        let set = format!("wordpress.blog_id={id}");
        let status = sidecar.run(&["check", "--json", "--set", &set]);
        // The mail server of this test does not answer.
        assert!(!status.success(), "{id}");
        assert!(sidecar.log().contains(&found), "{found}: {}", sidecar.log());
    }
    // The plugin is active for the whole network.
    assert!(!sidecar.log().contains("nobody can manage them in wp-admin"));
    // A daemon configured for a missing site takes no calls.
    let mut nine = Sidecar::unstarted(&real.site, &[(BLOG_ID, "9")]).await;
    nine.spawn();
    nine.says("not ready: the network has no site 9").await;
    assert_eq!(nine.client.call(PLAIN_HOOK, &fields).await.status, 503);
    assert_ne!(nine.client.admin_status("/readyz").await, 200);
    // Nor does one without the network's setting.
    let mut single = Sidecar::unstarted(&real.site, &[]).await;
    single.spawn();
    single
        .says("not ready: the tables of a network are there")
        .await;
    let fields = [("email", "bob@example.com")];
    assert_eq!(single.client.call(PLAIN_HOOK, &fields).await.status, 503);
    assert_eq!(real.site.number(&users).await, 2);
}
