//! An installation with two networks whose sites have their own host names: subdomains, and one unrelated domain.

use serde_json::{Value, json};

use super::super::create_over_http;
use super::super::parity::comparable;
use super::super::same_user::anonymous;
use super::super::welcome_mail::same_mail;
use super::{
    BLOG_ID, Blog, PREFIX, RealSite, add_community, described, form, ids, make, serve, set_option,
};
use crate::harness::site::{LEAVING_HOOK, PLAIN_HOOK, SPACES_HOOK};

const ONE: Blog = Blog {
    id: "1",
    host: Some("www.one.test"),
    path: "/",
    prefix: "wpx_",
};
const SUBDOMAIN: Blog = Blog {
    id: "2",
    host: Some("two.one.test"),
    prefix: "wpx_2_",
    ..ONE
};
const OTHER: Blog = Blog {
    id: "3",
    host: Some("other.test"),
    prefix: "wpx_3_",
    ..ONE
};
const MAPPED: Blog = Blog {
    id: "4",
    host: Some("mapped.example"),
    prefix: "wpx_4_",
    ..ONE
};
/// The last two belong to the second network.
const BLOGS: [Blog; 4] = [ONE, SUBDOMAIN, OTHER, MAPPED];

const DECLARED: &str = "define( 'DOMAIN_CURRENT_SITE', 'www.one.test' );\n\
                        define( 'PATH_CURRENT_SITE', '/' );\n\
                        define( 'SITE_ID_CURRENT_SITE', 1 );\n\
                        define( 'BLOG_ID_CURRENT_SITE', 1 );\n";

/// With or without constants that declare the first network; WordPress finds the second by the site.
async fn networks(declared: &str) -> RealSite {
    let real = RealSite::install().await;
    let host = ONE.host.unwrap();
    for name in ["siteurl", "home"] {
        real.set_option(name, &format!("http://{host}")).await;
    }
    let input = json!({ "host": host, "subdomains": true });
    assert_eq!(real.php("install_network", input).await, true);
    let constants =
        format!("define( 'MULTISITE', true );\ndefine( 'SUBDOMAIN_INSTALL', true );\n{declared}");
    let site = &real.site;
    real.installation
        .configure(&site.server, &site.database, &constants);
    let input = json!({ "host": host, "domain": OTHER.host });
    assert_eq!(real.php("add_network", input).await, true);
    for (blog, network) in [(SUBDOMAIN, 1), (OTHER, 2), (MAPPED, 2)] {
        let (id, name): (u64, _) = (blog.id.parse().unwrap(), blog.host);
        let title = format!("Site {id}");
        let input = json!({
            "host": host, "new_domain": name, "new_path": "/", "title": title, "network": network
        });
        assert_eq!(real.php("create_blog", input).await, id);
        add_community(&real, blog).await;
    }
    real
}

async fn counts(real: &RealSite) -> Vec<String> {
    let sql = format!(
        "SELECT meta_value FROM {PREFIX}sitemeta WHERE meta_key = 'user_count' ORDER BY site_id"
    );
    real.site.column(&sql).await
}

#[tokio::test]
async fn users_of_any_site_of_several_networks_are_those_of_wordpress() {
    let real = networks(DECLARED).await;
    // Languages of the networks, for sites without one of their own.
    for (network, locale) in [(1, "da_DK"), (2, "de_DE")] {
        let sql = format!(
            "UPDATE {PREFIX}sitemeta SET meta_value = '{locale}' WHERE meta_key = 'WPLANG' AND site_id = {network}; \
             INSERT INTO {PREFIX}sitemeta (site_id, meta_key, meta_value) SELECT {network}, 'WPLANG', '{locale}' \
             FROM DUAL WHERE NOT EXISTS (SELECT 1 FROM {PREFIX}sitemeta WHERE meta_key = 'WPLANG' AND site_id = {network})"
        );
        real.site.execute(&sql).await;
    }
    for blog in BLOGS {
        let sql = format!(
            "DELETE FROM {}options WHERE option_name = 'WPLANG'",
            blog.prefix
        );
        real.site.execute(&sql).await;
        set_option(&real, blog, "default_role", "author").await;
    }
    let mut logins = Vec::new();
    for (blog, home) in [
        (SUBDOMAIN, MAPPED),
        (OTHER, SUBDOMAIN),
        (MAPPED, ONE),
        (ONE, OTHER),
    ] {
        let id = blog.id;
        let email = format!("ann{id}@example.com");
        let login = format!("Jörg Ågård {id}");
        let forms = [form(&email, &login)];
        let undo = format!(
            "DELETE FROM {PREFIX}users WHERE user_email = '{email}'; \
             DELETE FROM {PREFIX}usermeta WHERE user_id NOT IN (SELECT ID FROM {PREFIX}users)"
        );
        let before =
            format!("UPDATE {PREFIX}sitemeta SET meta_value = '1' WHERE meta_key = 'user_count'");
        real.site.execute(&before).await;
        let theirs = make(&real, blog, &forms).await;
        let counted = counts(&real).await;
        real.site.execute(&undo).await;
        real.site.execute(&before).await;
        let sidecar = serve(&real, blog).await;
        let user = sidecar.client.execute(SPACES_HOOK, &forms[0]).await;
        let ours = &described(&real, blog, &[user], None).await[0];
        assert_eq!(comparable(&ours["rows"]), comparable(&theirs[0]), "{id}");
        assert_eq!(ours["roles"], json!(["author"]));
        // Only users of the site's own network count.
        assert_eq!(counts(&real).await, counted);
        assert_eq!(counted.iter().filter(|count| *count == "1").count(), 1);
        let mut browser = real.browser().at(blog.host.unwrap());
        assert!(browser.log_in(&login, forms[0][2].1).await, "{id}");
        logins.push(ours["rows"]["user"]["user_login"].clone());

        // A user of another network.
        let names = ["php", "rust"].map(|name| format!("bob{name}{id}"));
        let emails = names.each_ref().map(|name| format!("{name}@example.com"));
        let forms = [form(&emails[0], &names[0]), form(&emails[1], &names[1])];
        let made = make(&real, home, &forms).await;
        let [theirs, ours] = ids(&made);
        let fields = [("email", emails[1].as_str())];
        assert_eq!(sidecar.client.execute(SPACES_HOOK, &fields).await, ours);
        let both = described(&real, blog, &[theirs, ours], Some(theirs)).await;
        let [expected, got] =
            [(0, theirs), (1, ours)].map(|(index, id)| anonymous(&both[index], id, &names[index]));
        assert_eq!(got, expected, "{id}");
        assert!(got.to_string().contains(blog.host.unwrap()), "{got}");
    }
    assert_eq!(
        logins,
        [
            "jorg aagaard 2",
            "joerg agard 3",
            "joerg agard 4",
            "jorg aagaard 1"
        ]
        .map(Value::from)
    );
}

#[tokio::test]
async fn each_network_sends_mails_in_its_own_name() {
    for declared in [DECLARED, ""] {
        let real = networks(declared).await;
        for blog in BLOGS {
            let (sidecar, mut mailbox) = real.sidecar_with_mail(&[(BLOG_ID, blog.id)]).await;
            let email = format!("u{}@example.com", blog.id);
            let fields = [("email", email.as_str())];
            let id = create_over_http(&sidecar.client, PLAIN_HOOK, &fields).await;
            let input = json!({ "host": blog.host });
            let ours = same_mail(&real, &mut mailbox, id, input).await;
            let body = ours["body"].as_str().unwrap();
            let (from, link) = match blog.id {
                "1" | "2" => ("wordpress@one.test", "http://www.one.test/wp-login.php?"),
                _ => ("wordpress@other.test", "http://other.test/wp-login.php?"),
            };
            assert!(ours["from"].as_str().unwrap().contains(from), "{ours}");
            assert!(body.contains(link), "{body}");
        }
    }
}

#[tokio::test]
async fn super_admins_are_those_of_the_sites_network() {
    let real = networks("").await;
    let mut seen = Vec::new();
    for blog in [SUBDOMAIN, OTHER] {
        let sidecar = serve(&real, blog).await;
        let fields = [("email", "sue@example.com"), ("user_login", "sue")];
        let id = sidecar.client.execute(SPACES_HOOK, &fields).await;
        let sql = format!(
            "UPDATE {PREFIX}sitemeta SET meta_value = 'a:1:{{i:0;s:3:\"sue\";}}' \
             WHERE meta_key = 'site_admins' AND site_id = 2"
        );
        real.site.execute(&sql).await;
        let manages = described(&real, blog, &[id], None).await[0]["manages"] == true;
        sidecar.client.execute(LEAVING_HOOK, &fields).await;
        let spaces = format!(
            "SELECT COUNT(*) FROM {}fcom_spaces WHERE type IN ('community', 'course')",
            blog.prefix
        );
        let all = format!("a:{}:{{", real.site.number(&spaces).await);
        let list = format!(
            "SELECT meta_value FROM {PREFIX}usermeta WHERE user_id = {id} AND meta_key = '_fcom_space_ids'"
        );
        let list = real.site.text(&list).await.unwrap();
        assert_eq!(list.starts_with(&all), manages, "{list}");
        seen.push(manages);
    }
    assert_eq!(seen, [false, true]);
}
