//! Members of a network's sites, and their roles.

use serde_json::json;

use super::super::parity::comparable;
use super::super::same_user::anonymous;
use super::{
    MAIN, PREFIX, TWO, described, form, ids, make, network, serve, set_option, user_count,
};
use crate::harness::site::SPACES_HOOK;

#[tokio::test]
async fn new_users_are_those_of_wp_insert_user_on_either_site() {
    let real = network().await;
    // A language for the network, which only the second site does not override.
    real.site
        .execute(&format!(
            "DELETE FROM {PREFIX}sitemeta WHERE meta_key IN ('WPLANG', 'user_count'); \
             INSERT INTO {PREFIX}sitemeta (site_id, meta_key, meta_value) VALUES (1, 'WPLANG', 'de_DE'); \
             DELETE FROM {}options WHERE option_name = 'WPLANG'",
            TWO.prefix
        ))
        .await;
    set_option(&real, MAIN, "WPLANG", "").await;
    set_option(&real, TWO, "default_role", "editor").await;
    let forms = [
        form("Ann@Example.com", "UPPER Case"),
        form("Bob@Example.com", "Jörg MÜLLER"),
    ];
    for (blog, logins, role) in [
        (MAIN, ["upper case", "jorg muller"], "subscriber"),
        (TWO, ["upper case", "joerg mueller"], "editor"),
    ] {
        let theirs = make(&real, blog, &forms).await;
        let counted = user_count(&real).await;
        assert_eq!(counted, ["3"]);
        // Users marked as spam or deleted are not counted.
        real.site
            .execute(&format!(
                "DELETE FROM {PREFIX}users WHERE ID > 1; DELETE FROM {PREFIX}usermeta WHERE user_id > 1; \
                 DELETE FROM {PREFIX}sitemeta WHERE meta_key = 'user_count'; \
                 INSERT INTO {PREFIX}users (user_login, spam) VALUES ('spammer', 1); \
                 INSERT INTO {PREFIX}users (user_login, deleted) VALUES ('gone', 1)"
            ))
            .await;
        let sidecar = serve(&real, blog).await;
        for (index, form) in forms.iter().enumerate() {
            let id = sidecar.client.execute(SPACES_HOOK, form).await;
            let ours = &described(&real, blog, &[id], None).await[0];
            assert_eq!(comparable(&ours["rows"]), comparable(&theirs[index]));
            let user = &ours["rows"]["user"];
            assert_eq!(user["user_login"], logins[index]);
            assert_eq!(
                (&user["spam"], &user["deleted"]),
                (&json!("0"), &json!("0"))
            );
            assert_eq!(
                (&ours["member"], &ours["roles"]),
                (&json!(true), &json!([role]))
            );
            let mut browser = real.browser();
            let (login, password) = (form[1].1, form[2].1);
            assert!(browser.log_in_at(blog.path, login, password).await);
        }
        assert_eq!(user_count(&real).await, counted);
        drop(sidecar);
        let other = if blog.id == MAIN.id { TWO } else { MAIN };
        let sql = format!(
            "SELECT (SELECT COUNT(*) FROM {}fcom_xprofile) * 10 + \
             (SELECT COUNT(*) FROM {}fcom_sidecar_runs WHERE tallied)",
            blog.prefix, blog.prefix
        );
        assert_eq!(real.site.number(&sql).await, 22);
        let none = format!("SELECT COUNT(*) FROM {}fcom_xprofile", other.prefix);
        let before = if blog.id == MAIN.id { 0 } else { 2 };
        assert_eq!(real.site.number(&none).await, before);
        real.site
            .execute(&format!(
                "DELETE FROM {PREFIX}users WHERE ID > 1; DELETE FROM {PREFIX}usermeta WHERE user_id > 1; \
                 DELETE FROM {PREFIX}sitemeta WHERE meta_key = 'user_count'"
            ))
            .await;
    }
}

/// PHP's handler leaves such a user without a role on the site; its administrator would add one like this.
#[tokio::test]
async fn a_user_of_the_network_is_added_as_add_user_to_blog_adds_him() {
    let real = network().await;
    for (blog, home, role) in [(TWO, MAIN, "editor"), (MAIN, TWO, "subscriber")] {
        set_option(&real, blog, "default_role", role).await;
        let sidecar = serve(&real, blog).await;
        for (number, earlier) in [
            "",
            "(@id, 'primary_blog', '1'), (@id, 'source_domain', 'example.org')",
            "(@id, 'primary_blog', ''), (@id, 'nickname', 'second'), (@id, 'source_domain', '')",
            "(@id, 'source_domain', 'old.example.org')",
        ]
        .iter()
        .enumerate()
        {
            let names = ["annphp", "annrust"].map(|name| format!("{name}{number}on{}", blog.id));
            let emails = names.each_ref().map(|name| format!("{name}@example.com"));
            let forms = [form(&emails[0], &names[0]), form(&emails[1], &names[1])];
            let made = make(&real, home, &forms).await;
            let [theirs, ours] = ids(&made);
            for id in [theirs, ours] {
                if !earlier.is_empty() {
                    let values = earlier.replace("@id", &id.to_string());
                    let insert = "usermeta (user_id, meta_key, meta_value) VALUES";
                    let sql = format!("INSERT INTO {PREFIX}{insert} {values}");
                    real.site.execute(&sql).await;
                }
            }
            let fields = [("email", emails[1].as_str()), ("first_name", "Ignored")];
            assert_eq!(sidecar.client.execute(SPACES_HOOK, &fields).await, ours);
            let both = described(&real, blog, &[theirs, ours], Some(theirs)).await;
            let [expected, got] = [(0, theirs), (1, ours)]
                .map(|(index, id)| anonymous(&both[index], id, &names[index]));
            assert_eq!(got, expected, "{earlier} on {}", blog.id);
            assert_eq!(got["roles"], json!([role]));
            assert_eq!(got["member"], true);
            // An existing member keeps the role.
            set_option(&real, blog, "default_role", "author").await;
            sidecar.client.execute(SPACES_HOOK, &fields).await;
            set_option(&real, blog, "default_role", role).await;
            let again = described(&real, blog, &[ours], None).await;
            assert_eq!(again[0], both[1]);
            let mut browser = real.browser();
            assert!(
                browser
                    .log_in_at(blog.path, &names[1], form("", "")[2].1)
                    .await
            );
        }
        let changes = format!(
            "SELECT COUNT(*) FROM {}fcom_sidecar_runs WHERE changes LIKE '%added_to_site%'",
            blog.prefix
        );
        assert_eq!(real.site.number(&changes).await, 4);
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn two_sites_of_one_network_make_one_user_of_the_same_address() {
    let real = network().await;
    let sites = [serve(&real, MAIN).await, serve(&real, TWO).await];
    for round in 0..12 {
        let email = format!("Same{round}@example.com");
        let fields = [("email", email.as_str()), ("user_login", "Same")];
        let [one, two] = &sites;
        let calls = [&one.client, &two.client, &one.client, &two.client]
            .map(|client| client.execute(SPACES_HOOK, &fields));
        let ids = futures_util::future::join_all(calls).await;
        assert!(ids.iter().all(|id| *id == ids[0]), "{ids:?}");
        for blog in [MAIN, TWO] {
            let user = &described(&real, blog, &ids[..1], None).await[0];
            assert_eq!(user["roles"], json!(["subscriber"]), "{user}");
            let prefix = blog.prefix;
            let rows = format!(
                "SELECT (SELECT COUNT(*) FROM {PREFIX}usermeta WHERE user_id = {0} AND meta_key = '{prefix}capabilities') \
                 + (SELECT COUNT(*) FROM {prefix}fcom_xprofile WHERE user_id = {0})",
                ids[0]
            );
            assert_eq!(real.site.number(&rows).await, 2);
        }
    }
    let users = format!("SELECT COUNT(*) FROM {PREFIX}users");
    assert_eq!(real.site.number(&users).await, 13);
    assert_eq!(user_count(&real).await, ["13"]);
    let twice =
        format!("SELECT user_login FROM {PREFIX}users GROUP BY user_login HAVING COUNT(*) > 1");
    assert_eq!(real.site.column(&twice).await, Vec::<String>::new());
}
