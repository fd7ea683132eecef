//! The names of members where the obvious ones are taken, too long or dangerous.

use crate::harness::client::FORM;
use crate::harness::invariants;
use crate::harness::sidecar::Sidecar;
use crate::harness::site::{PLAIN_HOOK, SPACES_HOOK, Site, target};

async fn start() -> (Site, Sidecar) {
    let site = Site::new("71").await;
    let sidecar = Sidecar::start(&site).await;
    (site, sidecar)
}

/// Inserts profiles of unrelated users with these names.
async fn take_usernames(site: &Site, names: impl IntoIterator<Item = String>) {
    let owner = site
        .number("SELECT GREATEST(1000, COALESCE(MAX(user_id), 0)) + 1 FROM wp_fcom_xprofile")
        .await;
    let rows: Vec<String> = (owner..)
        .zip(names)
        .map(|(owner, name)| format!("({owner}, '{name}')"))
        .collect();
    site.execute(&format!(
        "INSERT INTO wp_fcom_xprofile (user_id, username) VALUES {}",
        rows.join(", ")
    ))
    .await;
}

/// `base`, `base2` … `base98`: the names that are tried before the ninety-ninth.
fn up_to_98(base: &str) -> Vec<String> {
    let numbered = (2..=98).map(|number| format!("{base}{number}"));
    std::iter::once(base.to_owned()).chain(numbered).collect()
}

/// Inserts a WordPress user who was never in the community.
async fn insert_user(site: &Site, id: u64, login: &str) -> String {
    let email = format!("user{id}@example.com");
    site.execute(&format!(
        "INSERT INTO wp_users (ID, user_login, user_nicename, user_email, display_name) \
         VALUES ({id}, '{login}', '{login}', '{email}', '{login}')"
    ))
    .await;
    email
}

async fn username(site: &Site, user_id: u64) -> String {
    let sql = format!("SELECT username FROM wp_fcom_xprofile WHERE user_id = {user_id}");
    site.text(&sql).await.unwrap()
}

async fn user(site: &Site, id: u64, columns: &str) -> String {
    let sql = format!("SELECT CONCAT_WS(' ', {columns}) FROM wp_users WHERE ID = {id}");
    site.text(&sql).await.unwrap()
}

async fn meta(site: &Site, user_id: u64, key: &str) -> String {
    let sql = format!(
        "SELECT meta_value FROM wp_usermeta WHERE user_id = {user_id} AND meta_key = '{key}'"
    );
    let values = site.column(&sql).await;
    assert_eq!(values.len(), 1, "{key}");
    values[0].clone()
}

#[tokio::test]
async fn a_known_users_username_counts_to_99_and_goes_on_with_the_id() {
    let (site, sidecar) = start().await;
    let email = insert_user(&site, 77, "ctr").await;
    let call = async || {
        site.execute("DELETE FROM wp_fcom_xprofile WHERE user_id = 77")
            .await;
        sidecar
            .client
            .execute(SPACES_HOOK, &[("email", &email)])
            .await;
        username(&site, 77).await
    };
    assert_eq!(call().await, "ctr");
    take_usernames(&site, up_to_98("ctr")).await;
    assert_eq!(call().await, "ctr99");
    take_usernames(&site, ["ctr99".to_owned()]).await;
    assert_eq!(call().await, "ctr77-100");
    take_usernames(&site, (100..200).map(|number| format!("ctr77-{number}"))).await;
    assert_eq!(call().await, "ctr77-77-200");
}

/// The id is unknown until the user is inserted. A strict login keeps the hyphen that PHP adds instead.
#[tokio::test]
async fn a_new_users_login_counts_to_99_and_goes_on_with_a_hyphen() {
    let (site, sidecar) = start().await;
    let mut number = 0;
    let mut call = async || {
        number += 1;
        let email = format!("ctr@domain{number}.example.com");
        let id = sidecar
            .client
            .execute(SPACES_HOOK, &[("email", &email)])
            .await;
        (
            user(&site, id, "user_login, user_nicename").await,
            username(&site, id).await,
        )
    };
    take_usernames(&site, up_to_98("ctr")).await;
    let names = |login: &str, username: &str| (format!("{login} {login}"), username.to_owned());
    assert_eq!(call().await, names("ctr99", "ctr99"));
    let (login, _) = call().await;
    assert_eq!(login, "ctr-100 ctr-100");
    take_usernames(&site, (101..200).map(|number| format!("ctr-{number}"))).await;
    let (login, _) = call().await;
    assert_eq!(login, "ctr--200 ctr-200");
}

/// If a login's own name and its numbered variants are taken, the community's name contains the new user's id.
#[tokio::test]
async fn a_new_users_username_counts_to_99_and_goes_on_with_the_id() {
    let (site, sidecar) = start().await;
    take_usernames(
        &site,
        up_to_98("wished")
            .into_iter()
            .chain(["wished99".to_owned()]),
    )
    .await;
    let fields = [("email", "ann@example.com"), ("user_login", "wished")];
    let id = sidecar.client.execute(SPACES_HOOK, &fields).await;
    assert_eq!(user(&site, id, "user_login").await, "wished");
    assert_eq!(username(&site, id).await, format!("wished{id}-100"));
}

#[tokio::test]
async fn a_wished_login_stays_although_its_username_is_taken() {
    let (site, sidecar) = start().await;
    take_usernames(&site, ["jane".to_owned(), "dora".to_owned()]).await;
    for (login, first_name, expected) in [("jane", "Mary", "mary"), ("dora", "", "dora2")] {
        let email = format!("{login}@example.com");
        let fields = [
            ("email", email.as_str()),
            ("user_login", login),
            ("first_name", first_name),
        ];
        let id = sidecar.client.execute(SPACES_HOOK, &fields).await;
        assert_eq!(user(&site, id, "user_login").await, login);
        assert_eq!(username(&site, id).await, expected);
    }
    // A login that exists does not identify a user.
    let fields = [("email", "other@example.com"), ("user_login", "Jane")];
    let id = sidecar.client.execute(SPACES_HOOK, &fields).await;
    assert_eq!(user(&site, id, "user_login").await, "other");
    site.execute("DELETE FROM wp_fcom_xprofile WHERE user_id > 1000")
        .await;
    invariants::assert_hold(&site).await;
}

#[tokio::test]
async fn a_login_of_sixty_characters_leaves_room_for_its_number() {
    let (site, sidecar) = start().await;
    let longest = "l".repeat(60);
    for (email, expected) in [
        (format!("{longest}@a.example.com"), longest.clone()),
        (
            format!("{longest}@b.example.com"),
            format!("{}2", &longest[..59]),
        ),
        (
            format!("{longest}abcdefghijklmnopqrst@c.example.com"),
            format!("{}3", &longest[..59]),
        ),
        (
            format!("{longest}abcdefghijklmnopqrst@d.example.com"),
            format!("{}4", &longest[..59]),
        ),
    ] {
        let id = sidecar
            .client
            .execute(SPACES_HOOK, &[("email", &email)])
            .await;
        assert_eq!(user(&site, id, "user_login").await, expected, "{email}");
        // Nicenames have at most 50 characters, including the number.
        assert_eq!(user(&site, id, "CHAR_LENGTH(user_nicename)").await, "50");
    }
    invariants::assert_hold(&site).await;
}

/// Every reader of metadata unserialises it, so text that looks serialised is stored as a serialised text.
#[tokio::test]
async fn names_that_look_serialised_are_guarded() {
    let (site, sidecar) = start().await;
    for (number, (given, stored)) in [
        (r#"O:8:"stdClass":0:{}"#, r#"s:19:"O:8:"stdClass":0:{}";"#),
        ("a:0:{}", r#"s:6:"a:0:{}";"#),
        ("b:1;", r#"s:4:"b:1;";"#),
        ("N;", r#"s:2:"N;";"#),
        ("C:1:{}", "C:1:{}"),
    ]
    .into_iter()
    .enumerate()
    {
        let email = format!("guard{number}@example.com");
        let fields = [
            ("email", email.as_str()),
            ("first_name", given),
            ("last_name", given),
        ];
        let id = sidecar.client.execute(PLAIN_HOOK, &fields).await;
        for key in ["first_name", "last_name"] {
            assert_eq!(meta(&site, id, key).await, stored, "{key}");
        }
        // Columns are never unserialised.
        let name = format!("{given} {given}");
        assert_eq!(user(&site, id, "display_name").await, name);
        let profile = format!("SELECT display_name FROM wp_fcom_xprofile WHERE user_id = {id}");
        assert_eq!(site.text(&profile).await, Some(name));
    }
}

/// A name that cannot be stored as it is must not prevent the user's creation.
#[tokio::test]
async fn names_with_broken_bytes_or_thousands_of_them_block_nobody() {
    let (site, sidecar) = start().await;
    let long = "N".repeat(4096);
    let accents = "%C3%A9".repeat(2048);
    for (number, (given, stored, shown)) in [
        // PHP slashes a NUL to `\0`, and kses removes control bytes after it is unslashed.
        ("a%00b", "ab".to_owned(), "ab".to_owned()),
        // Invalid UTF-8 is not used as a name; the login takes its place.
        ("J%FFo", String::new(), "bytes1".to_owned()),
        ("%C0%AF", String::new(), "bytes2".to_owned()),
        ("%ED%A0%80", String::new(), "bytes3".to_owned()),
        (long.as_str(), long.clone(), "N".repeat(250)),
        (accents.as_str(), "é".repeat(2048), "é".repeat(250)),
        ("%F0%9F%98%80", "😀".to_owned(), "😀".to_owned()),
        ("%20%09%0A", String::new(), "bytes7".to_owned()),
    ]
    .into_iter()
    .enumerate()
    {
        let body = format!("email=bytes{number}%40example.com&first_name={given}");
        let response = sidecar
            .client
            .post(&target(PLAIN_HOOK), FORM, body.as_bytes())
            .await;
        assert_eq!(response.status, 200, "{number}: {}", response.text());
        let id = response.json()["user_id"].as_u64().unwrap();
        assert_eq!(meta(&site, id, "first_name").await, stored, "{number}");
        assert_eq!(user(&site, id, "display_name").await, shown, "{number}");
        let profile = format!("SELECT display_name FROM wp_fcom_xprofile WHERE user_id = {id}");
        let shown: String = if stored.is_empty() { shown } else { stored }
            .chars()
            .take(192)
            .collect();
        assert_eq!(site.text(&profile).await, Some(shown), "{number}");
    }
    invariants::assert_hold(&site).await;
}

/// If the login cannot be a profile name, the names are used, which are longer than a profile's.
#[tokio::test]
async fn a_username_is_cut_to_its_column_and_stays_unique() {
    let (site, sidecar) = start().await;
    let long = "ann".repeat(60);
    for (login, expected) in [("x1", &long[..100]), ("x2", "x22")] {
        let email = format!("{login}@example.com");
        let fields = [
            ("email", email.as_str()),
            ("user_login", login),
            ("last_name", &long),
        ];
        let id = sidecar.client.execute(SPACES_HOOK, &fields).await;
        assert_eq!(username(&site, id).await, expected);
    }
}
