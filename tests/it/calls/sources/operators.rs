//! What operators do with a webhook that has a source: what the source says holds for their calls, too.

use serde_json::{Value, json};

use super::{EMAIL, JSON, SECRET, post, runs, start, users};
use crate::harness::client::FORM;
use crate::harness::eventually::eventually;
use crate::harness::http;
use crate::harness::management::{PATH, TOKEN};
use crate::harness::site::{PLAIN_HOOK, Site};

const LEAVING: &str = "[source.leaving]\nwebhook_id = 3\nbody = \"any\"\nlower_case_email = true\n";

#[tokio::test]
async fn operators_make_nobody_who_is_to_be_taken_away() {
    let site = Site::new("71").await;
    let source = format!("[admin]\ntoken = \"{TOKEN}\"\n{LEAVING}remove_only = true\n");
    let sidecar = start(&site, &source).await;
    let folder = tempfile::tempdir().unwrap();
    let list = folder.path().join("cancelled.csv");
    let list = list.to_str().unwrap();
    let lines = "email\nnora@example.com\nEXISTING@example.com\notto@example.com\n";
    std::fs::write(list, lines).unwrap();
    let import = ["import", list, "--webhook", "3", "--json"];
    let (code, said, complained) = sidecar.outcome(&[&import[..], &["--check"]].concat());
    let told: Value = serde_json::from_str(&said).expect(&complained);
    assert_eq!(
        (code, &told["new"], &told["known"], &told["refused"]),
        (1, &json!(0), &json!(1), &json!(2)),
        "{told}"
    );
    let reason = "nobody has the address, and remove_only creates nobody";
    let problems = json!([{ "line": 2, "reason": reason }, { "line": 4, "reason": reason }]);
    assert_eq!(told["problems"], problems);

    let (code, said, complained) = sidecar.outcome(&import);
    let told: Value = serde_json::from_str(&said).expect(&complained);
    let summary = &told["summary"];
    for (what, expected) in [
        ("lines", json!(3)),
        ("created", json!(0)),
        ("found", json!(1)),
        ("refused", json!(2)),
        ("complete", json!(true)),
    ] {
        assert_eq!(summary[what], expected, "{what}: {told}");
    }
    assert_eq!((code, runs(&site).await, users(&site).await), (1, 1, 0));
    let result = std::fs::read_to_string(folder.path().join("cancelled.result.csv")).unwrap();
    assert_eq!(result.matches(",ignored,").count(), 2, "{result}");

    let ignored = "The call was ignored: no member has this address";
    let body = folder.path().join("body.json");
    std::fs::write(&body, json!({ "email": EMAIL }).to_string()).unwrap();
    for tried in [
        &["try", "--webhook", "3", "--email", EMAIL][..],
        &["source", "try", "leaving", body.to_str().unwrap()],
    ] {
        let (code, said, complained) = sidecar.outcome(tried);
        let is_said = said.contains(&format!("answered with 200: {ignored}"));
        assert!(code == 0 && is_said, "{tried:?}: {said}{complained}");
    }
    let authorization = format!("Bearer {TOKEN}");
    let headers = [
        ("Authorization", authorization.as_str()),
        ("Content-Type", JSON),
    ];
    let (admin, path) = (sidecar.client.admin, format!("{PATH}/3/try"));
    let body = json!({ "email": EMAIL }).to_string();
    let answer = http::request(admin, "POST", &path, &headers, body.as_bytes()).await;
    let answer = answer.unwrap().json();
    assert_eq!(
        (&answer["outcome"], &answer["message"]),
        (&json!("ignored"), &json!(ignored))
    );
}

#[tokio::test]
async fn an_operators_address_is_tidied_as_the_source_says() {
    let site = Site::new("71").await;
    let sidecar = start(&site, LEAVING).await;
    let tried = ["try", "--webhook", "3", "--email", "Nora@Example.com"];
    let (code, said, complained) = sidecar.outcome(&tried);
    let is_lower = said.contains("email:     nora@example.com");
    assert!(code == 0 && is_lower, "{said}{complained}");
}

#[tokio::test]
async fn a_retry_makes_nobody_who_is_to_be_taken_away_by_now() {
    let site = Site::new("71").await;
    let folder = tempfile::tempdir().unwrap();
    let key = folder.path().join("key");
    let keeping = format!(
        "[refused]\nkeep_fields_hours = 24\nkey_file = '{}'\n",
        key.display()
    );
    let mut sidecar = start(&site, &format!("{keeping}{LEAVING}")).await;
    let change = |value: &str| {
        format!("UPDATE wp_fcom_meta SET value = {value} WHERE meta_key = '{PLAIN_HOOK}'")
    };
    site.execute(&change("CONCAT('x', value)")).await;
    let body = json!({ "email": EMAIL }).to_string();
    assert_eq!(post(&sidecar, JSON, None, &body).await.status, 423);
    site.execute(&change("SUBSTRING(value, 2)")).await;
    let id = "SELECT refused_id FROM wp_fcom_sidecar_kept";
    let id = eventually(async || site.text(id).await.ok_or("not kept")).await;
    sidecar.set_environment("FCOM_SIDECAR__SOURCE__LEAVING__REMOVE_ONLY", "true");
    let (code, said, complained) = sidecar.outcome(&["refused", "retry", &id]);
    let is_said = said.contains("nothing to do, it is ignored");
    assert!(code == 0 && is_said, "{said}{complained}");
    assert_eq!((runs(&site).await, users(&site).await), (0, 0));
}

#[tokio::test]
async fn a_form_without_fields_is_tried_as_it_is_read() {
    let site = Site::new("71").await;
    let source = "[source.plain]\nwebhook_id = 3\nbody = \"any\"\n";
    let sidecar = start(&site, source).await;
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("body");
    for (number, names) in [
        "first+name=Jane&last.name=Doe",
        "first_name=J%F6rg",
        "first_name[]=Jane&last_name=0",
    ]
    .into_iter()
    .enumerate()
    {
        let body = format!("email=nora{number}%40example.com&{names}");
        std::fs::write(&file, &body).unwrap();
        let (code, said, complained) =
            sidecar.outcome(&["source", "try", "plain", file.to_str().unwrap(), "--json"]);
        let told: Value = serde_json::from_str(&said).expect(&complained);
        assert_eq!(code, 0, "{told}");
        let answer = post(&sidecar, FORM, None, &body).await;
        assert_eq!(answer.status, 200, "{}", answer.text());
        let id = &answer.json()["user_id"];
        let rows = told["trial"]["effects"]["tables"]["wp_usermeta"]["inserted"].clone();
        for name in ["first_name", "last_name"] {
            let mut rows = rows.as_array().unwrap().iter();
            let tried = rows.find(|row| row["meta_key"] == name);
            let tried = tried.map(|row| row["meta_value"].as_str().unwrap_or_default().to_owned());
            let stored = format!(
                "SELECT meta_value FROM wp_usermeta WHERE user_id = {id} AND meta_key = '{name}'"
            );
            assert_eq!(tried, site.text(&stored).await, "{names}: {name}");
        }
    }
}

#[tokio::test]
async fn a_type_that_is_not_read_is_told() {
    let site = Site::new("71").await;
    let source = format!(
        "[source.shop]\nwebhook_id = 3\nbody = \"json\"\nsignature = \"header\"\nsignature_header = \"X-Secret\"\nsecrets = [\"{SECRET}\"]\n"
    );
    let sidecar = start(&site, &source).await;
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("body");
    for (kind, body) in [
        ("text/json", r#"{"email":"nora@example.com"}"#),
        (FORM, "email=nora%40example.com"),
    ] {
        std::fs::write(&file, body).unwrap();
        let header = format!("Content-Type: {kind}");
        let file = file.to_str().unwrap();
        let tried = ["source", "try", "shop", file, "--header", &header];
        let (code, said, complained) = sidecar.outcome(&tried);
        let secret = Some(("X-Secret", SECRET.to_owned()));
        let answer = post(&sidecar, kind, secret, body).await;
        assert_eq!(answer.status, 415, "{kind}");
        let message = answer.json()["message"].as_str().unwrap().to_owned();
        let is_said = complained.contains(&format!("answered with 415: {message}"));
        assert!(code == 1 && is_said, "{kind}: {said}{complained}");
    }
}
