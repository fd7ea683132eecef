//! `fcom-sidecar try`: what it tells is what the call does, and nothing of it stays.

use fcom_sidecar::http::fields::Fields;
use serde_json::{Map, Value, json};

use crate::harness::client::FORM;
use crate::harness::compare::{Tokens, compare};
use crate::harness::eventually::until;
use crate::harness::http;
use crate::harness::management::{self, PATH, TOKEN};
use crate::harness::original::Original;
use crate::harness::recording::{Case, Recording};
use crate::harness::sidecar::Sidecar;
use crate::harness::site::{MEMBERS_HOOK, PLAIN_HOOK, SPACES_HOOK, Site, target};
use crate::harness::snapshot::Snapshot;

/// Hidden, written by the mail, or not in the recordings.
const IGNORED: [&str; 3] = ["umeta_id", "user_pass", "user_activation_key"];

/// The options of the command that make the case's call; `None` if a command line cannot.
async fn options(site: &Site, case: &Case) -> Option<Vec<String>> {
    let [request] = &case.requests[..] else {
        return None;
    };
    let (_, query) = request.target.split_once('?')?;
    let query = Fields::parse_urlencoded(query.as_bytes(), 100).unwrap();
    let key = String::from_utf8(query.text("webhook")?.to_vec()).ok()?;
    let is_sound = key.bytes().all(|byte| byte.is_ascii_alphanumeric());
    let is_form = request
        .content_type
        .as_deref()
        .is_none_or(|kind| kind == FORM);
    if !is_sound
        || !is_form
        || request
            .method
            .as_deref()
            .is_some_and(|method| method != "POST")
    {
        return None;
    }
    let id = format!(
        "SELECT id FROM wp_fcom_meta WHERE object_type = 'webhook' AND BINARY meta_key = '{key}'"
    );
    let id = site.text(&id).await?;
    let fields = Fields::parse_urlencoded(request.body.as_ref()?.as_bytes(), 1000).unwrap();
    let mut options = vec![
        "try".to_owned(),
        "--json".to_owned(),
        format!("--webhook={id}"),
    ];
    for (field, option) in [
        ("email", "email"),
        ("first_name", "first-name"),
        ("last_name", "last-name"),
        ("user_login", "user-login"),
    ] {
        let text = match fields.text(field) {
            Some(text) => std::str::from_utf8(text).ok()?,
            None if field == "email" => "",
            None => continue,
        };
        if text.contains('\0') {
            return None;
        }
        options.push(format!("--{option}={text}"));
    }
    if let Some(password) = fields.text("user_password") {
        let file = std::env::temp_dir().join(format!("{}-password", site.database));
        std::fs::write(&file, password).unwrap();
        options.push(format!("--user-password-file={}", file.display()));
    }
    Some(options)
}

/// Of every table, also of the daemon's own.
async fn checksums(site: &Site) -> Vec<Vec<Option<String>>> {
    let tables = site
        .column("SELECT table_name FROM information_schema.tables WHERE table_schema = DATABASE() ORDER BY 1")
        .await;
    site.rows(&format!("CHECKSUM TABLE {}", tables.join(", ")))
        .await
}

fn tell(sidecar: &Sidecar, options: &[&str]) -> (i32, Value) {
    let (code, said, complained) = sidecar.outcome(options);
    let told = serde_json::from_str(&said);
    (code, told.unwrap_or_else(|_| panic!("{said}{complained}")))
}

async fn every_case(fixture: &str) {
    let deviations: Map<String, Value> =
        serde_json::from_str(include_str!("../../data/deviations.json")).unwrap();
    let site = Site::new(fixture).await;
    let original = Original::of(&site).await;
    let sidecar = Sidecar::unstarted(&site, &[]).await;
    assert!(sidecar.run(&["migrate"]).success());
    let (mut tried, mut failures) = (0, Vec::new());
    for case in &Recording::of(fixture).cases {
        for statement in &case.setup {
            site.execute(statement).await;
        }
        let mut changed = case.expected.diff.as_object().unwrap().clone();
        if let Some(options) = options(&site, case).await
            && !deviations.contains_key(&case.name)
        {
            tried += 1;
            let before = checksums(&site).await;
            let since = site.now().await;
            let options: Vec<&str> = options.iter().map(String::as_str).collect();
            let (code, told) = tell(&sidecar, &options);
            if checksums(&site).await != before {
                failures.push(format!("{}: something stayed", case.name));
            }
            let expected = &case.expected.responses[0];
            if expected["status"] != told["status"] || (told["status"] == 200) != (code == 0) {
                failures.push(format!("{}: exit status {code}: {told}", case.name));
            }
            let tables = told["effects"]["tables"]
                .as_object()
                .cloned()
                .unwrap_or_default();
            let of_site = |(name, _): &(String, Value)| !name.starts_with("wp_fcom_sidecar_");
            let tables: Map<String, Value> = tables.into_iter().filter(of_site).collect();
            let tokens = Tokens {
                since,
                until: site.now().await,
                wordpress: site.wordpress,
                password: None,
            };
            let mut differences = Vec::new();
            let (got, path) = (Value::Object(tables.clone()), case.name.as_str());
            compare(
                &case.expected.diff,
                &got,
                path,
                &IGNORED,
                &tokens,
                &mut differences,
            );
            failures.extend(differences);
            changed.extend(tables);
        }
        original.restore(&site, changed.keys()).await;
    }
    assert!(
        failures.is_empty(),
        "{tried} cases:\n{}",
        failures.join("\n")
    );
    assert!(tried > 50, "only {tried} cases were tried");
}

#[tokio::test]
async fn every_case_of_wordpress_7_1_is_told_row_by_row_and_leaves_nothing() {
    every_case("71").await;
}

#[tokio::test]
async fn every_case_of_wordpress_6_1_is_told_row_by_row_and_leaves_nothing() {
    every_case("61").await;
}

#[tokio::test]
async fn names_memberships_mail_and_hooks_are_told_with_their_reasons() {
    let site = Site::new("71").await;
    let sidecar = Sidecar::start(&site).await;
    let form = [("Content-Type", FORM)];
    let body = b"email=ann%40example.org&user_login=ann";
    let called = sidecar
        .client
        .request("POST", &target(PLAIN_HOOK), &form, body)
        .await;
    assert_eq!(called.status, 200);
    site.set_plain_hook(&[("space_ids", &[1, 999]), ("remove_space_ids", &[2])])
        .await;
    let id = format!("SELECT id FROM wp_fcom_meta WHERE meta_key = '{PLAIN_HOOK}'");
    let id = site.text(&id).await.unwrap();
    let new = [
        "try",
        "--json",
        "--webhook",
        &id,
        "--email",
        "ann@example.com",
    ];
    let (code, told) = tell(&sidecar, &new);
    let effects = &told["effects"];
    assert_eq!((code, &told["outcome"]), (0, &json!("created")));
    assert_eq!(
        effects["names"]["login"],
        json!({ "name": "ann2", "taken": "ann" })
    );
    assert_eq!(
        effects["memberships"],
        json!([
            { "space_id": 1, "effect": "joined", "role": "member", "reason": null },
            { "space_id": 999, "effect": "unchanged", "role": null, "reason": "does_not_exist" },
            { "space_id": 2, "effect": "unchanged", "role": null, "reason": "not_active" },
        ])
    );
    assert_eq!(effects["welcome_mail"]["reason"], "not_wanted");
    assert_eq!(
        effects["hooks"],
        json!([
            "add_user_role",
            "set_user_role",
            "user_register",
            "fluent_community/space/joined (1)",
        ])
    );

    let members = format!("SELECT id FROM wp_fcom_meta WHERE meta_key = '{MEMBERS_HOOK}'");
    let members = site.text(&members).await.unwrap();
    let mailed = ["try", "--webhook", &members, "--email", "bob@example.com"];
    let (code, said, _) = sidecar.outcome(&mailed);
    assert_eq!(code, 0, "{said}");
    assert!(
        said.contains("sent by the sidecar") && said.contains("key=xxxxxxxxxxxxxxxxxxxx"),
        "{said}"
    );
    assert!(said.contains("login:     bob\n"), "{said}");
    assert!(
        !said.contains(MEMBERS_HOOK) && !said.contains("$P$") && !said.contains("$wp$"),
        "{said}"
    );

    let refused = ["try", "--json", "--webhook", &id, "--email", "ann"];
    let (code, told) = tell(&sidecar, &refused);
    assert_eq!(
        (code, &told["status"], &told["effects"]),
        (1, &json!(423), &Value::Null)
    );
    let (code, _, complained) =
        sidecar.outcome(&["try", "--webhook", "Nobody's", "--email", "a@b.org"]);
    assert!(
        code == 1 && complained.contains("no webhook has the number or title"),
        "{complained}"
    );
}

#[tokio::test]
async fn changes_are_written_as_sql_that_names_its_rows() {
    let site = Site::new("71").await;
    let sidecar = Sidecar::unstarted(&site, &[]).await;
    assert!(sidecar.run(&["migrate"]).success());
    let spaces = format!("SELECT id FROM wp_fcom_meta WHERE meta_key = '{SPACES_HOOK}'");
    let spaces = site.text(&spaces).await.unwrap();
    let options = [
        "try",
        "--as-sql",
        "--webhook",
        &spaces,
        "--email",
        "o'neil@example.com",
    ];
    let (code, said, _) = sidecar.outcome(&options);
    assert_eq!(code, 0);
    assert!(
        said.contains("INSERT INTO `wp_users` (`ID`, `user_login`"),
        "{said}"
    );
    assert!(said.contains("'o''neil@example.com'"), "{said}");
    assert!(
        said.contains("UPDATE `wp_fcom_meta` SET `value` = '"),
        "{said}"
    );
    assert!(said.contains(&format!("WHERE `id` = {spaces};")), "{said}");
}

/// The transaction is the server's: it ends with the connection.
#[tokio::test]
async fn a_trial_that_is_killed_in_the_middle_leaves_nothing() {
    let site = Site::new("71").await;
    let sidecar = Sidecar::unstarted(&site, &[]).await;
    assert!(sidecar.run(&["migrate"]).success());
    let before = checksums(&site).await;
    let lock = site.lock("SELECT id FROM wp_fcom_meta WHERE object_type = 'webhook' FOR UPDATE");
    let lock = lock.await;
    let members = format!("SELECT id FROM wp_fcom_meta WHERE meta_key = '{MEMBERS_HOOK}'");
    let members = site.text(&members).await.unwrap();
    let options = ["try", "--webhook", &members, "--email", "new@example.com"];
    let mut trial = sidecar.background(&options);
    let sessions = async |what: &str| {
        let count = format!(
            "SELECT COUNT(*) FROM information_schema.processlist WHERE db = '{}' AND id <> CONNECTION_ID() \
             AND info LIKE '{what}'",
            site.database
        );
        site.count_of_sessions(&count).await
    };
    until("the trial does not wait for the webhook", async || {
        sessions("%fcom_meta%FOR UPDATE%").await > 0
    })
    .await;
    trial.kill().unwrap();
    trial.wait().unwrap();
    drop(lock);
    assert_eq!(checksums(&site).await, before);
}

/// On the admin listener with JSON and with a form, for those who may manage webhooks.
#[tokio::test]
async fn the_admin_listener_tells_the_same() {
    let site = Site::new("71").await;
    let sidecar = management::start(&site).await;
    let client = &sidecar.client;
    let id = format!("SELECT id FROM wp_fcom_meta WHERE meta_key = '{MEMBERS_HOOK}'");
    let id = site.text(&id).await.unwrap();
    let before = Snapshot::take(&site).await;
    let authorization = format!("Bearer {TOKEN}");
    let ask = async |id: &str, kind: &str, authorization: &str, body: &str| {
        let headers = [("Authorization", authorization), ("Content-Type", kind)];
        let path = format!("{PATH}/{id}/try");
        let asked = http::request(client.admin, "POST", &path, &headers, body.as_bytes());
        let response = asked.await.unwrap();
        (response.status, response.json())
    };
    let (status, told) = ask(
        &id,
        "application/json",
        &authorization,
        r#"{"email":"new@example.com"}"#,
    )
    .await;
    assert_eq!(
        (status, &told["outcome"]),
        (200, &json!("created")),
        "{told}"
    );
    let (_, again) = ask(&id, FORM, &authorization, "email=new%40example.com").await;
    for part in ["names", "memberships", "welcome_mail", "hooks"] {
        assert_eq!(again["effects"][part], told["effects"][part], "{part}");
    }
    let (status, told) = ask(&id, "application/json", &authorization, "{}").await;
    assert_eq!((status, &told["status"]), (200, &json!(423)));
    let (status, _) = ask("999", "application/json", &authorization, "{}").await;
    assert_eq!(status, 404);
    let (status, _) = ask(&id, "application/json", &authorization, r#"{"email":7}"#).await;
    assert_eq!(status, 422);
    let (status, _) = ask(&id, "application/json", &authorization, "[").await;
    assert_eq!(status, 400);
    let (status, _) = ask(&id, "application/json", "Bearer wrong", "{}").await;
    assert_eq!(status, 401);
    assert!(before.diff(&Snapshot::take(&site).await).is_empty());
    assert!(!sidecar.log().contains("new@example.com"));
}
