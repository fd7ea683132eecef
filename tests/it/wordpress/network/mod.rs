//! A network of two sites, created by WordPress: the daemon serves one of them as WordPress does.

mod access;
mod guard;
mod mails;
mod members;
mod relay;
mod several;

use std::os::unix::fs::symlink;

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use serde_json::{Value, json};

use super::{PREFIX, RealSite};
use crate::harness::sidecar::Sidecar;

/// A site of the network: its id, its path, the prefix of its tables.
#[derive(Clone, Copy)]
pub(super) struct Blog {
    id: &'static str,
    /// Its host name, if it has its own.
    host: Option<&'static str>,
    pub(super) path: &'static str,
    prefix: &'static str,
}

const MAIN: Blog = Blog {
    id: "1",
    host: None,
    path: "/",
    prefix: "wpx_",
};
pub(super) const TWO: Blog = Blog {
    id: "2",
    host: None,
    path: "/two/",
    prefix: "wpx_2_",
};
const BLOG_ID: &str = "FCOM_SIDECAR__WORDPRESS__BLOG_ID";

/// Both sites have the same webhooks, spaces and courses.
pub(super) async fn network() -> RealSite {
    let real = RealSite::install().await;
    assert_eq!(real.php("install_network", json!({})).await, true);
    let host = real.server.address;
    let site = &real.site;
    real.installation
        .configure(&site.server, &site.database, &constants(&real));
    let input = json!({ "new_path": TWO.path, "title": "Two &amp; more" });
    assert_eq!(real.php("create_blog", input).await, 2);
    // WordPress accepts no port in the domain of a new site.
    site.execute(&format!(
        "UPDATE {PREFIX}blogs SET domain = '{host}'; \
         UPDATE {}options SET option_value = 'http://{host}/two' WHERE option_name IN ('siteurl', 'home')",
        TWO.prefix
    ))
    .await;
    // The web server does not rewrite URLs.
    symlink(".", real.installation.root().join("two")).unwrap();
    add_community(&real, TWO).await;
    real
}

/// What declares it in `wp-config.php`.
pub(super) fn constants(real: &RealSite) -> String {
    let host = real.server.address;
    format!(
        "define( 'MULTISITE', true );\n\
         define( 'SUBDOMAIN_INSTALL', false );\n\
         define( 'DOMAIN_CURRENT_SITE', '{host}' );\n\
         define( 'PATH_CURRENT_SITE', '/' );\n\
         define( 'SITE_ID_CURRENT_SITE', 1 );\n\
         define( 'BLOG_ID_CURRENT_SITE', 1 );\n"
    )
}

/// The community's tables, copied from the main site.
async fn add_community(real: &RealSite, blog: Blog) {
    let tables = "SELECT table_name FROM information_schema.tables WHERE table_schema = DATABASE() \
                  AND (table_name LIKE 'wpx\\_fcom\\_%' OR table_name LIKE 'wpx\\_actionscheduler\\_%')";
    for table in real.site.column(tables).await {
        let copy = table.replacen(MAIN.prefix, blog.prefix, 1);
        real.site
            .execute(&format!(
                "CREATE TABLE {copy} LIKE {table}; INSERT INTO {copy} SELECT * FROM {table}"
            ))
            .await;
    }
}

pub(super) async fn serve(real: &RealSite, blog: Blog) -> Sidecar {
    serve_with(real, blog, &[]).await
}

pub(super) async fn serve_with(real: &RealSite, blog: Blog, more: &[(&str, &str)]) -> Sidecar {
    let mut environment = vec![(BLOG_ID, blog.id)];
    environment.extend(more);
    real.sidecar_with(&environment).await
}

async fn set_option(real: &RealSite, blog: Blog, name: &str, value: &str) {
    let prefix = blog.prefix;
    real.site
        .execute(&format!(
            "REPLACE INTO {prefix}options (option_name, option_value) VALUES ('{name}', '{value}')"
        ))
        .await;
}

/// Rows and roles of users as WordPress sees them on this site; one user may be added to it before.
async fn described(real: &RealSite, blog: Blog, ids: &[u64], add: Option<u64>) -> Value {
    let input = json!({ "host": blog.host, "path": blog.path, "ids": ids, "add": add });
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
    let input = json!({ "host": blog.host, "path": blog.path, "forms": forms });
    real.php("insert_users", input).await
}

/// The ids of the two users that [`make`] has created.
fn ids(made: &Value) -> [u64; 2] {
    [0, 1].map(|index: usize| {
        let id = made[index]["user"]["ID"].as_str().unwrap();
        id.parse().unwrap()
    })
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
