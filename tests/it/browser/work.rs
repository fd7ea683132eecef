//! A day's work with a mouse.

use serde_json::json;

use super::{console, log_in};
use crate::harness::chrome::Chrome;
use crate::harness::management::start;
use crate::harness::sidecar::Sidecar;
use crate::harness::site::{PLAIN_HOOK, Site};

const PAGES: [(&str, &str); 9] = [
    ("Overview", "The last hour"),
    ("Runs", "Calls that were executed"),
    ("Refused", "Calls with a right key that changed nothing"),
    (
        "Webhooks",
        "FluentCommunity’s own page shows the same records",
    ),
    ("Mails", "Not sent"),
    ("Hooks", "Given up and failing"),
    ("Shadow", "See it before you switch"),
    ("Check", "Check again"),
    ("Configuration", "systemctl reload fcom-sidecar"),
];

/// A mail and a hook that were given up.
async fn troubles(site: &Site) {
    site.execute(
        "INSERT INTO wp_fcom_sidecar_mail (id, user_id, webhook_id, state, attempts, next_attempt_at, tried_since, last_error, created_at)
             VALUES (1, 2, 3, 'dead', 7, UTC_TIMESTAMP(), UTC_TIMESTAMP(), 'No such mailbox', UTC_TIMESTAMP());
         INSERT INTO wp_fcom_sidecar_events (id, user_id, kind, space_id, state, attempts, last_error, due_at, created_at)
             VALUES (1, 2, 'joined', 1, 'dead', 10, 'Call to undefined method', UTC_TIMESTAMP(3), UTC_TIMESTAMP(3))",
    )
    .await;
}

/// Logs in, looks at each page, changes what there is to change, and logs out.
async fn work(chrome: &Chrome, site: &Site, sidecar: &Sidecar) {
    let console = console(sidecar);
    chrome.resize(1280, 900).await;
    chrome.open(&format!("{console}runs?webhook=3")).await;
    chrome.fill("#token", "wrong").await;
    chrome.press("Log in").await;
    chrome.says("That is wrong").await;
    log_in(chrome).await;
    chrome.is_at(&format!("{console}runs?webhook=3")).await;
    for (page, words) in PAGES {
        let link =
            format!("//nav[@aria-label='Console']//a[starts-with(normalize-space(), '{page}')]");
        chrome.click(&link).await;
        chrome.says(words).await;
    }

    chrome.open(&format!("{console}runs")).await;
    chrome.fill("#member", "nobody").await;
    chrome.press("Search").await;
    chrome.says("No run was found").await;

    chrome.open(&format!("{console}webhooks")).await;
    chrome.click("//a[normalize-space()='New webhook']").await;
    chrome.fill("#title", "Shop").await;
    chrome.click("[name='space_ids[]'][value='1']").await;
    chrome.press("Save").await;
    chrome.says("The webhook is there").await;
    chrome.fill("#title", "Our shop").await;
    chrome.press("Save").await;
    chrome.says("The next call does this").await;
    let webhook = chrome.url().await;
    chrome.press("Show and copy").await;
    chrome.says("Whoever knows it can make members").await;
    let address = chrome.value("document.getElementById('url').value").await;
    let key = "SELECT meta_key FROM wp_fcom_meta ORDER BY id DESC LIMIT 1";
    let before = site.text(key).await.unwrap();
    assert!(address.as_str().unwrap().ends_with(&before), "{address}");
    chrome.click("//a[normalize-space()='Done']").await;
    chrome
        .click("//summary[normalize-space()='Replace the key…']")
        .await;
    chrome.press("Replace the key").await;
    chrome.says("The webhook has a new address").await;
    assert_ne!(site.text(key).await.unwrap(), before);

    chrome.fill("#t-email", "nora@example.com").await;
    chrome.press("Try").await;
    chrome.says("The call would answer 200").await;
    chrome.says("It creates nora").await;
    let users = "SELECT COUNT(*) FROM wp_users WHERE user_email = 'nora@example.com'";
    assert_eq!(site.number(users).await, 0);

    chrome.open(&webhook).await;
    chrome
        .click("//summary[normalize-space()='Delete Our shop…']")
        .await;
    chrome.press("Delete Our shop").await;
    chrome.says("Calls to its address get 404").await;
    let left = "SELECT COUNT(*) FROM wp_fcom_meta WHERE value LIKE '%Our shop%'";
    assert_eq!(site.number(left).await, 0);

    chrome.open(&format!("{console}mails")).await;
    chrome.press("Retry").await;
    chrome.says("Mail 1 is due at once").await;
    chrome.open(&format!("{console}hooks")).await;
    chrome.press("Retry").await;
    chrome.says("Hook 1 is due at once").await;

    chrome.press("Log out").await;
    chrome.is_at(&format!("{console}login")).await;
    chrome.open(&console).await;
    chrome.is_at(&format!("{console}login")).await;
}

/// Of the requests that the page has made by itself.
const REQUESTS: &str = "performance.getEntriesByType('resource').filter((one) => one.initiatorType === 'xmlhttprequest').length";

/// The overview that stays open follows what happens; while nobody looks, it asks nothing.
async fn stay(chrome: &Chrome, sidecar: Sidecar) {
    let console = console(&sidecar);
    chrome.open(&console).await;
    log_in(chrome).await;
    chrome.says("No call has come yet").await;
    let ask = "htmx.trigger('#main', 'news')";
    let hide = |hidden: bool| {
        format!(
            "Object.defineProperty(document, 'hidden', {{get: () => {hidden}, configurable: true}})"
        )
    };
    chrome.value(&hide(true)).await;
    let asked = chrome.value(REQUESTS).await;
    chrome.value(ask).await;
    assert_eq!(chrome.value(REQUESTS).await, asked);
    chrome.value(&hide(false)).await;
    chrome.value("mark = 1").await;
    let ann = [("email", "ann@example.com")];
    sidecar.client.execute(PLAIN_HOOK, &ann).await;
    chrome.says("Calls executed 1").await;
    chrome.says(" ann id ").await;
    assert_eq!(chrome.value("mark").await, 1, "the page was loaded again");

    // Whoever is no longer logged in has to log in.
    chrome.own("Network.clearBrowserCookies", json!({})).await;
    chrome.value(ask).await;
    chrome.is_at(&format!("{console}login")).await;

    log_in(chrome).await;
    chrome.says("Live").await;
    chrome
        .value("now = Date.now, Date.now = () => now.call(Date) + 30000, 0")
        .await;
    drop(sidecar);
    chrome.value(ask).await;
    chrome.says("Not live any more").await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_operator_works_with_the_mouse_alone() {
    let site = Site::new("71").await;
    let sidecar = start(&site).await;
    troubles(&site).await;
    let chrome = Chrome::start().await;
    work(&chrome, &site, &sidecar).await;
    stay(&chrome, sidecar).await;
    chrome.close().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_same_without_scripts() {
    let site = Site::new("71").await;
    let sidecar = start(&site).await;
    troubles(&site).await;
    let chrome = Chrome::start().await;
    let off = json!({"value": true});
    chrome
        .own("Emulation.setScriptExecutionDisabled", off)
        .await;
    work(&chrome, &site, &sidecar).await;
    log_in(&chrome).await;
    chrome.says("The last hour").await;
    let words = chrome.words().await;
    // What needs a script is not offered.
    assert!(!words.contains("Live"), "{words}");
    chrome.close().await;
}
