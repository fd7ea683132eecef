//! A network of two sites, made by WordPress: the daemon serves one of them as WordPress does.

mod relay;

use std::fs;
use std::os::unix::fs::symlink;
use std::time::{Duration, Instant};

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use serde_json::{Value, json};

use super::parity::comparable;
use super::php::sent_mail;
use super::same_user::anonymous;
use super::welcome_mail::read;
use super::{PREFIX, RealSite, create_over_http};
use crate::sidecar::Sidecar;
use crate::site::{LEAVING_HOOK, PLAIN_HOOK, SPACES_HOOK};

/// A site of the network: its id, where it begins, what its tables begin with.
#[derive(Clone, Copy)]
pub(super) struct Blog {
    id: &'static str,
    pub(super) path: &'static str,
    prefix: &'static str,
}

const MAIN: Blog = Blog {
    id: "1",
    path: "/",
    prefix: "wpx_",
};
pub(super) const TWO: Blog = Blog {
    id: "2",
    path: "/two/",
    prefix: "wpx_2_",
};
const BLOG_ID: &str = "FCOM_SIDECAR__WORDPRESS__BLOG_ID";

/// Both sites have the same webhooks, spaces and courses.
pub(super) async fn network() -> RealSite {
    let real = RealSite::install().await;
    assert_eq!(real.php("install_network", json!({})).await, true);
    let host = real.server.address;
    let constants = format!(
        "define( 'MULTISITE', true );\n\
         define( 'SUBDOMAIN_INSTALL', false );\n\
         define( 'DOMAIN_CURRENT_SITE', '{host}' );\n\
         define( 'PATH_CURRENT_SITE', '/' );\n\
         define( 'SITE_ID_CURRENT_SITE', 1 );\n\
         define( 'BLOG_ID_CURRENT_SITE', 1 );\n"
    );
    let site = &real.site;
    real.installation
        .configure(&site.server, &site.database, &constants);
    let input = json!({ "new_path": TWO.path, "title": "Two &amp; more" });
    assert_eq!(real.php("create_blog", input).await, 2);
    // WordPress wants no port in the domain of a new site.
    site.execute(&format!(
        "UPDATE {PREFIX}blogs SET domain = '{host}'; \
         UPDATE {}options SET option_value = 'http://{host}/two' WHERE option_name IN ('siteurl', 'home')",
        TWO.prefix
    ))
    .await;
    // The web server rewrites no addresses.
    symlink(".", real.installation.root().join("two")).unwrap();
    let tables = "SELECT table_name FROM information_schema.tables WHERE table_schema = DATABASE() \
                  AND (table_name LIKE 'wpx\\_fcom\\_%' OR table_name LIKE 'wpx\\_actionscheduler\\_%')";
    for table in site.column(tables).await {
        let copy = table.replacen(MAIN.prefix, TWO.prefix, 1);
        site.execute(&format!(
            "CREATE TABLE {copy} LIKE {table}; INSERT INTO {copy} SELECT * FROM {table}"
        ))
        .await;
    }
    real
}

pub(super) async fn serve(real: &RealSite, blog: Blog) -> Sidecar {
    real.sidecar_with(&[(BLOG_ID, blog.id)]).await
}

async fn set_option(real: &RealSite, blog: Blog, name: &str, value: &str) {
    let prefix = blog.prefix;
    real.site
        .execute(&format!(
            "REPLACE INTO {prefix}options (option_name, option_value) VALUES ('{name}', '{value}')"
        ))
        .await;
}

/// Rows and roles of users as WordPress has them on this site; one may be added to it before.
async fn described(real: &RealSite, blog: Blog, ids: &[u64], add: Option<u64>) -> Value {
    let input = json!({ "path": blog.path, "ids": ids, "add": add });
    real.php("add_user_to_blog", input).await
}

async fn make(real: &RealSite, blog: Blog, forms: &[[(&str, &str); 5]]) -> Value {
    let encode = |form: &[(&str, &str); 5]| -> Value {
        let fields = form.iter();
        fields
            .map(|(name, value)| ((*name).to_owned(), STANDARD.encode(value).into()))
            .collect::<serde_json::Map<_, _>>()
            .into()
    };
    let forms: Vec<Value> = forms.iter().map(encode).collect();
    let input = json!({ "path": blog.path, "forms": forms });
    real.php("insert_users", input).await
}

async fn user_count(real: &RealSite) -> Vec<String> {
    let sql = format!("SELECT meta_value FROM {PREFIX}sitemeta WHERE meta_key = 'user_count'");
    real.site.column(&sql).await
}

fn form<'a>(email: &'a str, login: &'a str) -> [(&'static str, &'a str); 5] {
    [
        ("email", email),
        ("user_login", login),
        ("user_password", "it's \\ a \"password\""),
        ("first_name", "Zoë"),
        ("last_name", "O'Neil"),
    ]
}

#[tokio::test]
async fn new_users_are_those_of_wp_insert_user_on_either_site() {
    let real = network().await;
    // A language of the network, which only the second site has no other for.
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
        // No user is counted who is marked.
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

/// PHP's handler leaves such a user without a role on the site; this is what its administrator would do.
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
            let [theirs, ours] = [0, 1].map(|index: usize| {
                let id = made[index]["user"]["ID"].as_str().unwrap();
                id.parse::<u64>().unwrap()
            });
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
            // Whoever is a member stays what he is.
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

#[tokio::test]
async fn wordpress_sends_the_same_mail_on_either_site() {
    let real = network().await;
    for blog in [MAIN, TWO] {
        let (sidecar, mut mailbox) = real.sidecar_with_mail(&[(BLOG_ID, blog.id)]).await;
        for https in [false, true] {
            let email = format!("u{}{https}@example.com", blog.id);
            let fields = [("email", email.as_str())];
            let id = if https {
                sidecar.client.execute(PLAIN_HOOK, &fields).await
            } else {
                create_over_http(&sidecar.client, PLAIN_HOOK, &fields).await
            };
            let ours = read(mailbox.next().await.unwrap().message.as_bytes());
            let body = ours["body"].as_str().unwrap();
            let key = &body.split_once("key=").unwrap().1[..20];
            let input = json!({ "id": id, "key": key, "https": https, "path": blog.path });
            assert_eq!(real.php("notify", input).await, Value::Null);
            let theirs = fs::read(sent_mail(real.installation.root())).unwrap();
            assert_eq!(ours, read(&theirs));
            let login = format!("{}{}wp-login.php", real.server.address, blog.path);
            assert!(body.ends_with(&login), "{body}");
        }
    }
}

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
    // Active for the whole network.
    assert!(!sidecar.log().contains("nobody can manage them in wp-admin"));
    // A daemon that was told so takes no call.
    let mut nine = Sidecar::unstarted(&real.site, &[(BLOG_ID, "9")]).await;
    nine.spawn();
    let deadline = Instant::now() + Duration::from_secs(30);
    while !nine.log().contains("not ready: the network has no site 9") {
        assert!(Instant::now() < deadline, "{}", nine.log());
        tokio::time::sleep(Duration::from_millis(10)).await;
    }
    assert_eq!(nine.client.call(PLAIN_HOOK, &fields).await.status, 503);
    assert_ne!(nine.client.admin_status("/readyz").await, 200);
    // Nor does one that was not told about the network.
    let mut single = Sidecar::unstarted(&real.site, &[]).await;
    single.spawn();
    let deadline = Instant::now() + Duration::from_secs(30);
    while !single
        .log()
        .contains("not ready: the tables of a network are there")
    {
        assert!(Instant::now() < deadline, "{}", single.log());
        tokio::time::sleep(Duration::from_millis(10)).await;
    }
    let fields = [("email", "bob@example.com")];
    assert_eq!(single.client.call(PLAIN_HOOK, &fields).await.status, 503);
    assert_eq!(real.site.number(&users).await, 2);
}

/// WordPress makes no reset key for such a user, and so sends no mail.
#[tokio::test]
async fn who_is_marked_as_spam_before_the_mail_has_left_gets_none() {
    let real = network().await;
    let environment = [
        (BLOG_ID, TWO.id),
        ("FCOM_SIDECAR__MAIL__FIRST_RETRY_SECONDS", "1"),
    ];
    // Its mail server does not listen.
    let sidecar = real.sidecar_with(&environment).await;
    let fields = [("email", "ann@example.com")];
    let id = sidecar.client.execute(PLAIN_HOOK, &fields).await;
    let sql = format!("UPDATE {PREFIX}users SET spam = 1 WHERE ID = {id}");
    real.site.execute(&sql).await;
    // Of the new site.
    let _ = fs::remove_file(sent_mail(real.installation.root()));
    let input = json!({ "id": id, "key": "unused", "path": TWO.path });
    assert_eq!(real.php("notify", input).await, Value::Null);
    assert!(!sent_mail(real.installation.root()).exists());
    let state = "SELECT CONCAT(state, ': ', last_error) FROM wpx_2_fcom_sidecar_mail";
    let deadline = Instant::now() + Duration::from_mins(1);
    loop {
        let state = real.site.text(state).await.unwrap_or_default();
        if state == "skipped: the user is marked as spam" {
            break;
        }
        assert!(Instant::now() < deadline, "{state}");
        tokio::time::sleep(Duration::from_millis(50)).await;
    }
}
