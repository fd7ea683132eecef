//! Who may manage webhooks over the admin listener.

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use fcom_sidecar::wordpress::password;

use crate::harness::http::{self, Response};
use crate::harness::management::{PATH, TOKEN};
use crate::harness::sidecar::Sidecar;
use crate::harness::site::Site;

pub(super) const PASSWORD: &str = "ABCDEFGHIJKLMNOPQRST";
/// WordPress's hashes of the password, up to 6.7 and since.
const PHPASS: &str = "$P$BabcdefghDlZSpS7e9/Cw1C6huQxKZ.";
pub(super) const FAST: &str = "$generic$UfGbgbsqeDuSn8PJFpjz07u2zubyNUvlCRO1D3XA";

pub(super) const MANY_FAILURES: (&str, &str) = (
    "FCOM_SIDECAR__ADMIN__FAILURES_PER_MINUTE_PER_CLIENT",
    "1000",
);
pub(super) const PASSWORDS_ON: (&str, &str) = ("FCOM_SIDECAR__ADMIN__APPLICATION_PASSWORDS", "on");

async fn get(sidecar: &Sidecar, path: &str, authorization: &str) -> Response {
    let headers = [("Authorization", authorization)];
    let headers = if authorization.is_empty() {
        &[][..]
    } else {
        &headers
    };
    let admin = sidecar.client.admin;
    http::request(admin, "GET", path, headers, b"")
        .await
        .unwrap()
}

fn basic(name: &str, password: &str) -> String {
    format!("Basic {}", STANDARD.encode(format!("{name}:{password}")))
}

/// Gives a user application passwords with these hashes, serialised as WordPress does.
pub(super) async fn give_passwords(site: &Site, user: u64, hashes: &[&str]) {
    let items = hashes.iter().enumerate().map(|(n, hash)| {
        format!(
            r#"i:{n};a:7:{{s:4:"uuid";s:36:"11111111-1111-4111-8111-{n:012}";s:6:"app_id";s:0:"";s:4:"name";s:1:"x";s:8:"password";s:{}:"{hash}";s:7:"created";i:1700000000;s:9:"last_used";N;s:7:"last_ip";N;}}"#,
            hash.len()
        )
    });
    let value = format!("a:{}:{{{}}}", hashes.len(), items.collect::<String>());
    site.execute(&format!(
        "DELETE FROM wp_usermeta WHERE user_id = {user} AND meta_key = '_application_passwords';
         INSERT INTO wp_usermeta (user_id, meta_key, meta_value) VALUES ({user}, '_application_passwords', '{value}')"
    ))
    .await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn without_configuration_nobody_is_let_in_and_hears_why() {
    let site = Site::new("71").await;
    give_passwords(&site, 1, &[FAST]).await;
    let sidecar = Sidecar::start(&site).await;
    for authorization in ["", "Bearer ", "Bearer null", &basic("admin", PASSWORD)] {
        let refused = get(&sidecar, PATH, authorization).await;
        assert_eq!(refused.status, 403, "{}", refused.text());
        assert_eq!(refused.json()["code"], "rest_forbidden");
        assert!(refused.text().contains("admin.token"), "{}", refused.text());
    }
    for open in ["/healthz", "/readyz", "/openapi.json"] {
        assert_eq!(get(&sidecar, open, "").await.status, 200, "{open}");
    }
    assert!(!sidecar.log().contains(PASSWORD));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_token_opens_and_nothing_like_it_does() {
    let site = Site::new("71").await;
    give_passwords(&site, 1, &[FAST]).await;
    let environment = [("FCOM_SIDECAR__ADMIN__TOKEN", TOKEN), MANY_FAILURES];
    let sidecar = Sidecar::start_with(&site, &environment).await;
    sidecar.client.record(&[TOKEN.to_owned()]);
    for scheme in ["Bearer", "bearer"] {
        let listed = get(&sidecar, PATH, &format!("{scheme} {TOKEN}")).await;
        assert_eq!(listed.status, 200, "{}", listed.text());
    }
    for authorization in [
        "",
        "Bearer",
        "Bearer ",
        &format!("Bearer {}", TOKEN.to_uppercase()),
        &format!("Bearer {TOKEN}0"),
        &format!("Bearer {}", &TOKEN[1..]),
        TOKEN,
        &basic("admin", TOKEN),
        // Application passwords are not enabled.
        &basic("admin", PASSWORD),
    ] {
        let refused = get(&sidecar, PATH, authorization).await;
        assert_eq!(refused.status, 401, "{authorization}");
        assert!(
            refused
                .header("www-authenticate")
                .unwrap()
                .starts_with("Bearer")
        );
    }
    let twice = format!("Bearer {TOKEN}\r\nAuthorization: Bearer x");
    assert_eq!(get(&sidecar, PATH, &twice).await.status, 401);
    let elsewhere = format!("Bearer {TOKEN}\r\nOrigin: https://evil.example");
    assert_eq!(get(&sidecar, PATH, &elsewhere).await.status, 403);
    assert!(sidecar.log().contains("wrong credentials"));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn application_passwords_open_to_who_may_manage_webhooks() {
    let scheme = password::Scheme::Bcrypt { cost: 10 };
    let bcrypt = password::hash(PASSWORD.as_bytes(), scheme).unwrap();
    let site = Site::new("71").await;
    // The roles are: an administrator of the site, one of courses, one of the community; members, one of whom leads a
    // space; a moderator.
    for (user, role) in [(2, "course_admin"), (3, "admin")] {
        let roles = format!(r#"a:1:{{i:0;s:{}:"{role}";}}"#, role.len());
        site.execute(&format!(
            "INSERT INTO wp_fcom_meta (object_type, object_id, meta_key, value)
             VALUES ('user', {user}, '_user_community_roles', '{roles}')"
        ))
        .await;
    }
    for user in [2, 3, 7, 9] {
        give_passwords(&site, user, &[FAST]).await;
    }
    let sidecar = Sidecar::start_with(&site, &[PASSWORDS_ON, MANY_FAILURES]).await;
    let spaced = "ABCD EFGH IJKL MNOP QRST";
    sidecar
        .client
        .record(&[PASSWORD.to_owned(), spaced.to_owned()]);
    for hash in [FAST, PHPASS, &bcrypt] {
        give_passwords(&site, 1, &["$P$", hash]).await;
        for name in ["admin", "admin@example.com"] {
            for password in [PASSWORD, spaced] {
                let listed = get(&sidecar, PATH, &basic(name, password)).await;
                assert_eq!(listed.status, 200, "{hash}: {}", listed.text());
            }
        }
        let wrong = get(&sidecar, PATH, &basic("admin", "ABCDEFGHIJKLMNOPQRSt")).await;
        assert_eq!(wrong.status, 401, "{hash}");
        assert!(
            wrong
                .header("www-authenticate")
                .unwrap()
                .starts_with("Basic")
        );
    }
    for (name, query, status) in [
        ("existing", "", 200),
        ("profiled", "", 200),
        ("globalmod", "", 403),
        ("memberships", "", 403),
        // To the plugin, this makes the leader of one space a manager of all webhooks.
        ("memberships", "?space_id=2", 403),
        // No password, no user, no name.
        ("john", "", 401),
        ("nobody", "", 401),
        ("nobody@example.com", "", 401),
        ("", "", 401),
    ] {
        let answer = get(&sidecar, &format!("{PATH}{query}"), &basic(name, PASSWORD)).await;
        assert_eq!(answer.status, status, "{name}{query}: {}", answer.text());
    }
    // The login form's password is not an application password.
    for authorization in [
        "Basic !",
        "Basic YWRtaW4=",
        &basic("admin", ""),
        &format!("Bearer {PASSWORD}"),
    ] {
        assert_eq!(get(&sidecar, PATH, authorization).await.status, 401);
    }
    let used = "SELECT COUNT(*) FROM wp_usermeta WHERE meta_value LIKE '%\"last_used\";N;%'";
    assert_eq!(site.number(used).await, 5);
    assert!(!sidecar.log().contains("nobody@example.com"));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn who_guesses_waits() {
    let site = Site::new("71").await;
    let sidecar = crate::harness::management::start(&site).await;
    let right = format!("Bearer {TOKEN}");
    for _ in 0..5 {
        // A request without credentials does not count as a guess.
        assert_eq!(get(&sidecar, PATH, "").await.status, 401);
    }
    for _ in 0..10 {
        assert_eq!(get(&sidecar, PATH, "Bearer wrong").await.status, 401);
    }
    for authorization in ["Bearer wrong", ""] {
        let refused = get(&sidecar, PATH, authorization).await;
        assert_eq!(refused.status, 429);
        let wait: u64 = refused.header("retry-after").unwrap().parse().unwrap();
        assert!((1..=6).contains(&wait), "{wait}");
    }
    // Others behind the same address may have guessed.
    assert_eq!(get(&sidecar, PATH, &right).await.status, 200);
    assert_eq!(get(&sidecar, "/healthz", "").await.status, 200);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn guesses_at_the_same_time_do_not_all_pass_and_a_password_that_was_right_still_does() {
    let site = Site::new("71").await;
    give_passwords(&site, 1, &[FAST]).await;
    // One more is allowed every half minute.
    let two = ("FCOM_SIDECAR__ADMIN__FAILURES_PER_MINUTE_PER_CLIENT", "2");
    let sidecar = Sidecar::start_with(&site, &[PASSWORDS_ON, two]).await;
    sidecar.client.record(&[PASSWORD.to_owned()]);
    let right = basic("admin", PASSWORD);
    assert_eq!(get(&sidecar, PATH, &right).await.status, 200);
    let guesses = (0..40).map(|n| {
        let guess = basic("admin", &format!("WRONGWRONGWRONG{n:05}"));
        let sidecar = &sidecar;
        async move { get(sidecar, PATH, &guess).await.status }
    });
    let answers = futures_util::future::join_all(guesses).await;
    let tried = answers.iter().filter(|status| **status == 401).count();
    assert!((2..=4).contains(&tried), "{answers:?}");
    assert!(
        answers.iter().all(|status| [401, 429].contains(status)),
        "{answers:?}"
    );
    assert_eq!(get(&sidecar, PATH, &right).await.status, 200);
    // A right one that was not seen before waits: it cannot be told from a guess.
    assert_eq!(
        get(&sidecar, PATH, &basic("admin@example.com", PASSWORD))
            .await
            .status,
        429
    );
    // What was right once and is no more is a guess.
    give_passwords(&site, 1, &[]).await;
    assert_eq!(get(&sidecar, PATH, &right).await.status, 401);
    assert_eq!(get(&sidecar, PATH, &right).await.status, 429);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_token_that_protects_nothing_keeps_the_daemon_from_starting() {
    let site = Site::new("71").await;
    for (token, said) in [
        ("", "is empty"),
        ("changeme", "shorter than 32"),
        ("aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa", "is not random"),
        ("5f1c8b1de5a9407c9a1f0b6f2e7d3c4 ", "visible ASCII"),
    ] {
        let environment = [("FCOM_SIDECAR__ADMIN__TOKEN", token)];
        let sidecar = Sidecar::unstarted(&site, &environment).await;
        let (succeeded, _, errors) = sidecar.output(&["serve"]);
        assert!(!succeeded && errors.contains("admin.token"), "{errors}");
        assert!(
            errors.contains(said) && errors.contains("openssl rand"),
            "{errors}"
        );
        assert!(token.is_empty() || !errors.contains(token), "{errors}");
    }
}
