//! Forms that come twice, too late, too long, or with what cannot be saved.

use std::collections::BTreeSet;

use reqwest::Url;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;

use super::browser::Browser;
use super::changes::{hidden, make, record};
use super::strangers;
use crate::harness::management::{TOKEN, start};
use crate::harness::sidecar::Sidecar;
use crate::harness::site::Site;

const NEW: &str = "/console/webhooks/new";

async fn webhooks(site: &Site) -> u64 {
    site.number("SELECT COUNT(*) FROM wp_fcom_meta WHERE object_type = 'webhook'")
        .await
}

async fn set_updated(site: &Site, id: u64, then: &str) {
    let sql = format!("UPDATE wp_fcom_meta SET updated_at = '{then}' WHERE id = {id}");
    site.execute(&sql).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_could_not_be_saved_does_not_replace_what_somebody_else_saved_meanwhile() {
    let site = Site::new("71").await;
    let sidecar = start(&site).await;
    let mut browser = Browser::of_operator(&sidecar).await;
    let (id, _) = make(&site, &sidecar, &mut browser).await;
    let save = format!("/console/webhooks/{id}/save");
    let seen = hidden(&browser, "seen");
    let mut other = browser.copy();
    let edited = [("seen", &*seen), ("title", "Store"), ("space_ids[]", "2")];
    assert_eq!(other.post(&save, &edited).await, 200);
    // What is not saved does not count as a change.
    let then = "2020-02-02 02:02:02";
    set_updated(&site, id, then).await;
    let titled = [("seen", &*seen), ("title", "Shop"), ("space_ids[]", "1")];
    assert_eq!(other.post(&save, &titled).await, 409);
    let updated = format!("SELECT CAST(updated_at AS CHAR) FROM wp_fcom_meta WHERE id = {id}");
    assert_eq!(site.text(&updated).await.as_deref(), Some(then));

    let no_title = [("seen", &*seen), ("title", " "), ("space_ids[]", "1")];
    assert_eq!(browser.post(&save, &no_title).await, 422);
    let seen = hidden(&browser, "seen");
    let titled = [("seen", &*seen), ("title", "Shop"), ("space_ids[]", "1")];
    assert_eq!(browser.post(&save, &titled).await, 409);
    browser.assert_says("Somebody changed this webhook");
    let stored = record(&site, id).await;
    assert!(stored.contains("Store"), "{stored}");
    assert_eq!(site.text(&updated).await.as_deref(), Some(then));

    // Now it was said.
    let seen = hidden(&browser, "seen");
    let titled = [("seen", &*seen), ("title", "Shop"), ("space_ids[]", "1")];
    assert_eq!(browser.post(&save, &titled).await, 200);
    let stored = record(&site, id).await;
    assert!(stored.contains("Shop"), "{stored}");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_title_that_the_site_cannot_store_costs_no_other_entry() {
    let site = Site::new("71").await;
    let sidecar = start(&site).await;
    let mut browser = Browser::of_operator(&sidecar).await;
    let (id, _) = make(&site, &sidecar, &mut browser).await;
    let seen = hidden(&browser, "seen");
    site.execute("ALTER TABLE wp_fcom_meta MODIFY value longtext CHARACTER SET utf8")
        .await;
    let before = webhooks(&site).await;
    for path in [NEW, &format!("/console/webhooks/{id}/save")] {
        let fields = [
            ("seen", &*seen),
            ("title", "Shop \u{1f600}"),
            ("space_ids[]", "1"),
            ("remove_space_ids[]", "2"),
            ("send_wp_welcome_email", "yes"),
        ];
        assert_eq!(browser.post(path, &fields).await, 422, "{path}");
        browser.assert_says("characters that this site cannot store");
        let text = browser.text();
        for entry in [
            "value=\"Shop \u{1f600}\"",
            "name=\"space_ids[]\" value=\"1\" checked>",
            "name=\"remove_space_ids[]\" value=\"2\" checked>",
            "name=\"send_wp_welcome_email\" value=\"yes\" checked>",
            "aria-describedby=\"title-error\"",
        ] {
            assert!(text.contains(entry), "{entry} is not in {path}: {text}");
        }
    }
    assert_eq!(webhooks(&site).await, before);
    assert!(record(&site, id).await.contains("Shop & co"));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_form_that_is_sent_twice_makes_one_webhook() {
    let site = Site::new("71").await;
    let sidecar = start(&site).await;
    let before = webhooks(&site).await;
    let mut browser = Browser::of_operator(&sidecar).await;
    browser.get(NEW).await;
    let (key, once) = (browser.key(), hidden(&browser, "once"));
    let fields = [("csrf", &*key), ("once", &*once), ("title", "Shop")];
    let mut again = browser.copy();
    let both = tokio::join!(
        browser.post_exactly(NEW, &fields),
        again.post_exactly(NEW, &fields)
    );
    assert_eq!(both, (200, 200));
    assert_eq!(browser.path, again.path);
    again.post_exactly(NEW, &fields).await;
    assert_eq!(browser.path, again.path);
    assert_eq!(webhooks(&site).await, before + 1);
    assert_eq!(sidecar.log().matches("was created by").count(), 1);

    // Another form makes another one. What was wrong with its entries does not make it another form.
    again.get(NEW).await;
    assert_ne!(hidden(&again, "once"), once);
    let once = hidden(&again, "once");
    assert_eq!(again.post(NEW, &[("once", &*once)]).await, 422);
    assert_eq!(hidden(&again, "once"), once);
    again
        .post(NEW, &[("once", &*once), ("title", "Shop")])
        .await;
    assert_ne!(browser.path, again.path);
    assert_eq!(webhooks(&site).await, before + 2);
}

/// Enter in the title's field sends the form; who was not ready yet goes on meanwhile, and clicks.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_form_that_is_sent_again_with_other_entries_keeps_them() {
    let site = Site::new("71").await;
    let sidecar = start(&site).await;
    let before = webhooks(&site).await;
    let mut browser = Browser::of_operator(&sidecar).await;
    browser.get(NEW).await;
    let (key, once) = (browser.key(), hidden(&browser, "once"));
    let early = [("csrf", &*key), ("once", &*once), ("title", "Shop")];
    let mut other = browser.copy();
    assert_eq!(other.post_exactly(NEW, &early).await, 200);
    let id: u64 = other.path.rsplit('/').next().unwrap().parse().unwrap();
    let then = "2020-02-02 02:02:02";
    set_updated(&site, id, then).await;

    let entries = [
        ("title", "Shop"),
        ("space_ids[]", "1"),
        ("send_wp_welcome_email", "yes"),
    ];
    let more = [&early[..2], &entries[..]].concat();
    assert_eq!(browser.post_exactly(NEW, &more).await, 409);
    browser.assert_says("This form was sent before with other entries and made this webhook");
    let text = browser.text();
    for entry in [
        "name=\"space_ids[]\" value=\"1\" checked>",
        "name=\"send_wp_welcome_email\" value=\"yes\" checked>",
    ] {
        assert!(text.contains(entry), "{entry} is not in: {text}");
    }
    let save = format!("/console/webhooks/{id}/save");
    assert!(actions(&browser).contains(&save), "{text}");
    let updated = format!("SELECT CAST(updated_at AS CHAR) FROM wp_fcom_meta WHERE id = {id}");
    assert_eq!(site.text(&updated).await.as_deref(), Some(then));

    let seen = hidden(&browser, "seen");
    let saved = [&[("seen", &*seen)], &entries[..]].concat();
    assert_eq!(browser.post(&save, &saved).await, 200);
    browser.assert_says("Saved.");
    assert!(
        browser
            .text()
            .contains("name=\"space_ids[]\" value=\"1\" checked>")
    );
    assert_eq!(webhooks(&site).await, before + 1);
}

/// A site with a source for webhook 3.
async fn sourced(site: &Site) -> Sidecar {
    let url = site.url();
    let sections = format!(
        "[wordpress]\nversion = \"7.1\"\n[database]\nurl = \"{url}\"\n\
         [source.shop]\nwebhook_id = 3\nbody = \"json\"\n[source.shop.fields]\nemail = \"mail\"\n"
    );
    let environment = [("FCOM_SIDECAR__ADMIN__TOKEN", TOKEN)];
    let sidecar = Sidecar::start_configured(site, &sections, &environment).await;
    sidecar.client.record(&[TOKEN.to_owned()]);
    sidecar
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_body_as_long_as_a_call_may_have_is_tried_and_a_longer_one_is_told_what_to_do() {
    const MOST: usize = 1 << 20;
    let site = Site::new("71").await;
    let sidecar = sourced(&site).await;
    let mut browser = Browser::of_operator(&sidecar).await;
    browser.get("/console/webhooks/3").await;
    let path = "/console/webhooks/3/source";
    let frame = r#"{"mail":"nora@example.com","note":""}"#.len();
    let body = |length: usize| {
        // Each of these takes three bytes in a form.
        let note = "[".repeat(length - frame);
        format!(r#"{{"mail":"nora@example.com","note":"{note}"}}"#)
    };
    let longest = body(MOST);
    assert_eq!(longest.len(), MOST);
    assert_eq!(browser.post(path, &[("body", &*longest)]).await, 200);
    browser.assert_says("email nora@example.com mail");
    let longer = body(MOST + 1);
    assert_eq!(browser.post(path, &[("body", &*longer)]).await, 200);
    browser.assert_says("a call with it gets 413. limits.max_body_bytes allows 1,048,576 bytes");
    let page = browser.key();
    for length in [MOST + (1 << 16), 2 * MOST] {
        let fields = [("csrf", &*page), ("body", &*body(length))];
        assert_eq!(browser.post_exactly(path, &fields).await, 413, "{length}");
        browser.assert_says("fcom-sidecar source try NAME FILE");
    }

    let mut stranger = Browser::new(&sidecar);
    let fields = [("csrf", &*page), ("body", &*body(100_000))];
    assert_eq!(stranger.post_exactly(path, &fields).await, 403);
    stranger.assert_says("This page has expired");
}

#[tokio::test]
async fn a_longer_body_than_a_call_is_not_awaited_of_strangers() {
    let site = Site::new("71").await;
    let sidecar = start(&site).await;
    let ticket = format!("Cookie: fcom_sidecar_console={}\r\n", "0".repeat(64));
    for header in [
        "",
        &ticket,
        "Authorization: Bearer x\r\n",
        "X-Fcom-Sidecar-Signature: x\r\n",
    ] {
        let mut stranger = TcpStream::connect(sidecar.client.admin).await.unwrap();
        let head = format!(
            "POST {NEW} HTTP/1.1\r\nHost: localhost\r\n{header}Content-Length: 2000000\r\n\r\n"
        );
        stranger.write_all(head.as_bytes()).await.unwrap();
        let mut answer = String::new();
        stranger.read_to_string(&mut answer).await.unwrap();
        let expected = "HTTP/1.1 413 Payload Too Large\r\n";
        assert!(answer.starts_with(expected), "{header}: {answer}");
    }
}

/// Where the forms of this page lead.
fn actions(browser: &Browser<'_>) -> Vec<String> {
    let here = Url::parse(&format!("http://sidecar{}", browser.path)).unwrap();
    let text = browser.text();
    let forms = text.split("method=\"post\" action=\"").skip(1);
    let actions = forms.map(|rest| here.join(rest.split('"').next().unwrap()).unwrap());
    actions.map(|action| action.path().to_owned()).collect()
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn whoever_logs_in_again_is_at_the_page_of_the_form_that_came_too_late() {
    let site = Site::new("71").await;
    let sidecar = start(&site).await;
    let rows = strangers::write(&site, &sidecar).await;
    let mut browser = Browser::of_operator(&sidecar).await;
    // Those that this site's pages do not have.
    let refused = format!("/console/refused/{}/retry", rows.refused);
    let mut all = BTreeSet::from([refused, "/console/webhooks/3/source".to_owned()]);
    for page in rows.pages() {
        browser.get(&format!("/console/{page}")).await;
        all.extend(actions(&browser));
    }
    assert!(all.len() >= 16, "{all:?}");
    for action in all {
        let mut late = Browser::new(&sidecar);
        assert_eq!(late.post_exactly(&action, &[]).await, 403, "{action}");
        late.assert_says("This page has expired");
        let next = if late.text().contains("name=\"next\"") {
            hidden(&late, "next")
        } else {
            String::new()
        };
        let fields = [("token", TOKEN), ("next", &*next)];
        let status = late.post("/console/login", &fields).await;
        assert_eq!(status, 200, "{action} leads to {}", late.path);
        let page = late.path.strip_prefix("/console/").unwrap();
        assert_eq!(page.is_empty(), action.ends_with("/logout"), "{action}");
    }
}
