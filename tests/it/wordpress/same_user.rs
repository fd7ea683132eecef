//! Compares a user that WordPress created with one that we created from the same form.

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use serde_json::{Value, json};

use super::{ADMIN_PASSWORD, RealSite, release};
use crate::harness::site::SPACES_HOOK;

const PASSWORD: &str = r#"it's \ a "pässword""#;

fn form(name: &str) -> [(&'static str, String); 5] {
    [
        ("email", format!("{name}@Example.com")),
        ("user_login", format!("{name} Lee")),
        ("user_password", PASSWORD.to_owned()),
        ("first_name", "Zoë & \"Co\" \\ 😀".to_owned()),
        ("last_name", "  O'Neil   <b>x</b> a:1:{i:0;i:1;}".to_owned()),
    ]
}

/// The data without what must differ: ids, names, hashes, and times, which are left out.
pub(super) fn anonymous(value: &Value, id: u64, name: &str) -> Value {
    match value {
        Value::Number(number) if number.as_u64() == Some(id) => "@id".into(),
        Value::String(text) => text
            .replace(&id.to_string(), "@id")
            .replace(name, "@name")
            .into(),
        Value::Array(list) => list.iter().map(|one| anonymous(one, id, name)).collect(),
        Value::Object(object) => object
            .iter()
            .filter(|(key, _)| {
                !["user_pass", "user_registered", "registered_date"].contains(&key.as_str())
            })
            .map(|(key, one)| (key.clone(), anonymous(one, id, name)))
            .collect(),
        other => other.clone(),
    }
}

/// The row of a user in the list of `wp-admin`.
fn listed(page: &str, id: u64, name: &str) -> String {
    let marker = format!("<tr id='user-{id}'");
    let start = page
        .find(&marker)
        .unwrap_or_else(|| panic!("no {marker} in {page}"));
    let row = &page[start..];
    let row = &row[..row.find("</tr>").unwrap()];
    row.replace(&id.to_string(), "@id").replace(name, "@name")
}

#[tokio::test]
async fn wordpress_shows_our_user_as_it_shows_its_own() {
    let real = RealSite::install().await;
    let sidecar = real.sidecar().await;
    let mut admin = real.browser();
    assert!(admin.log_in("admin", ADMIN_PASSWORD).await);
    for role in ["subscriber", "editor"] {
        real.set_option("default_role", role).await;
        let [theirs, ours] = ["annphp", "annrust"].map(|name| format!("{name}{role}"));
        let encoded: Value = form(&theirs)
            .into_iter()
            .map(|(name, value)| (name.to_owned(), STANDARD.encode(value).into()))
            .collect::<serde_json::Map<_, _>>()
            .into();
        let made = real
            .php("insert_users", json!({ "forms": [encoded] }))
            .await;
        let their_id = made[0]["user"]["ID"].as_str().unwrap().parse().unwrap();
        let ours_form = form(&ours);
        let fields = ours_form
            .each_ref()
            .map(|(name, value)| (*name, value.as_str()));
        let our_id = sidecar.client.execute(SPACES_HOOK, &fields).await;
        assert_ne!(our_id, their_id);

        let input = json!({ "ids": [their_id, our_id], "password": PASSWORD });
        let said = real.php("describe_users", input).await;
        let [one, other] = [(0, their_id, &theirs), (1, our_id, &ours)]
            .map(|(index, id, name)| anonymous(&said["users"][index], id, name));
        assert_eq!(one, other, "{role}");
        assert_eq!(one["authenticated"], "@id");
        assert_eq!(one["by_login"], "@id");
        assert_eq!(one["rest"]["roles"], json!([role]));
        assert_eq!(one["rest"]["username"], "@name Lee");
        let metadata = if release::is_since(7, 1) { 14 } else { 13 };
        assert_eq!(one["rows"]["meta"].as_array().unwrap().len(), metadata);
        assert_eq!(said["count"]["avail_roles"][role], 2);
        let user_count = "SELECT option_value FROM wpx_options WHERE option_name = 'user_count'";
        assert_eq!(
            real.site.number(user_count).await,
            said["count"]["total_users"]
        );

        let page = admin.open("/wp-admin/users.php").await.text();
        let row = listed(&page, our_id, &ours);
        assert!(row.contains("@name@Example.com"), "{row}");
        assert_eq!(row, listed(&page, their_id, &theirs), "{role}");
    }
}
