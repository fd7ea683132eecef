//! README's pictures: the demo's site after some minutes of calls. `make pictures` writes them.

use std::path::Path;
use std::time::{Duration, Instant};

use fcom_sidecar::sample::mailbox::Mailbox;

use super::{console, log_in};
use crate::harness::chrome::Chrome;
use crate::harness::eventually::until;
use crate::harness::management::TOKEN;
use crate::harness::sidecar::Sidecar;
use crate::harness::site::{MEMBERS_HOOK, Site};

const FIRST: [&str; 23] = [
    "Ada", "Ben", "Clara", "David", "Emma", "Finn", "Greta", "Hugo", "Ida", "Jonas", "Kira",
    "Liam", "Mara", "Noah", "Olga", "Paul", "Rosa", "Sven", "Tara", "Udo", "Vera", "Willi", "Zoe",
];
const LAST: [&str; 11] = [
    "Abel", "Brandt", "Conrad", "Dorn", "Engel", "Falk", "Graf", "Hahn", "Iversen", "Jansen",
    "Keller",
];

const WIDTH: u64 = 1120;
/// Of calls, for the charts.
const MINUTES: u8 = 15;

/// Calls of a minute: more of them now and then.
fn calls(minute: usize) -> usize {
    [3, 4, 6, 5, 8, 12, 9, 6, 4, 3, 2, 5][minute % 12] + minute / 12
}

async fn fill(sidecar: &Sidecar) {
    let (began, mut person) = (Instant::now(), 0);
    for minute in 0..MINUTES {
        let passed = Duration::from_mins(minute.into());
        until("the minute does not end", async || {
            began.elapsed() >= passed
        })
        .await;
        for call in 0..calls(minute.into()) {
            // Every fourth call is for somebody who came before, a few lack an address.
            let who = if call % 4 == 3 { person / 2 } else { person };
            let (first, last) = (FIRST[who % 23], LAST[who % 11]);
            let email = format!("{first}.{last}@example.com").to_lowercase();
            let login = first.to_lowercase();
            let mut fields = vec![("first_name", first), ("last_name", last)];
            if call % 4 != 3 {
                person += 1;
            }
            if (usize::from(minute) + call) % 17 != 3 {
                fields.extend([("email", email.as_str()), ("user_login", login.as_str())]);
            }
            let answer = sidecar.client.call(MEMBERS_HOOK, &fields).await;
            assert!(answer.status < 500, "{}", answer.text());
        }
    }
}

/// Writes what stands between the top and the end of the page.
async fn write(chrome: &Chrome, name: &str) {
    chrome
        .value("document.querySelector('.live')?.remove(), 0")
        .await;
    let height = chrome
        .value("document.querySelector('main').offsetHeight + 60")
        .await;
    let height = height.as_u64().unwrap().min(900);
    let picture = chrome.picture(WIDTH, height).await;
    assert!(picture.len() < 120_000, "{name}: {}", picture.len());
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("docs/pictures");
    std::fs::create_dir_all(&folder).unwrap();
    std::fs::write(folder.join(name), picture).unwrap();
}

#[ignore = "it writes docs/pictures"]
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn write_pictures() {
    let site = Site::new("71").await;
    let mailbox = Mailbox::open().await.unwrap();
    let smtp = format!("smtp://127.0.0.1:{}", mailbox.port());
    let environment = [
        ("FCOM_SIDECAR__SMTP__URL", smtp.as_str()),
        ("FCOM_SIDECAR__ADMIN__TOKEN", TOKEN),
    ];
    let sidecar = Sidecar::start_with(&site, &environment).await;
    fill(&sidecar).await;
    let pending = "SELECT COUNT(*) FROM wp_fcom_sidecar_mail WHERE state = 'pending'";
    site.goes(pending).await;
    let chrome = Chrome::start().await;
    chrome.resize(1120, 900).await;
    let console = console(&sidecar);
    chrome.open(&console).await;
    log_in(&chrome).await;
    write(&chrome, "overview.png").await;
    let run = "SELECT MAX(id) FROM wp_fcom_sidecar_runs WHERE outcome = 'created'";
    let run = site.number(run).await;
    chrome.open(&format!("{console}runs/{run}")).await;
    write(&chrome, "run.png").await;
    let webhook = format!("SELECT id FROM wp_fcom_meta WHERE meta_key = '{MEMBERS_HOOK}'");
    let webhook = site.number(&webhook).await;
    chrome.open(&format!("{console}webhooks/{webhook}")).await;
    chrome.fill("#t-email", "ada@example.com").await;
    chrome.fill("#t-first", "Ada").await;
    chrome.fill("#t-last", "Lovelace").await;
    chrome.fill("#t-login", "ada").await;
    chrome.press("Try").await;
    // Of the page, the plan.
    chrome
        .value("document.querySelector('main').replaceChildren(document.getElementById('plan')), 0")
        .await;
    write(&chrome, "plan.png").await;
    chrome.close().await;
}
