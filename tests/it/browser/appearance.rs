//! Every page on wide and narrow screens, light and dark, for everybody: also where strangers wrote what it shows.

use super::{ALL, assert_asks_every, assert_usable, console, log_in, with_axe};
use crate::admin::console::strangers;
use crate::harness::chrome::Chrome;
use crate::harness::management::start;
use crate::harness::site::Site;

const COLOURS: &str = "runOnly: ['color-contrast']";

/// Nothing sticks out of the page, or out of the card that it belongs to, but for what scrolls by itself.
async fn assert_fits(chrome: &Chrome, page: &str, width: u32) {
    let wide = "[...document.querySelectorAll('body *')].filter((one) => {
        const edge = one.closest('.card')?.getBoundingClientRect().right ?? document.documentElement.clientWidth;
        return one.getBoundingClientRect().right > edge + 1 && !one.closest('.wide, .vh, [popover]');
    }).map((one) => one.outerHTML.slice(0, 200)).join(' | ')";
    let found = chrome.value(wide).await;
    assert_eq!(found, "", "{page} at {width}");
    let all = chrome.value("document.documentElement.scrollWidth").await;
    assert!(
        all.as_u64().unwrap() <= width.into(),
        "{page} is {all} wide"
    );
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn every_page_is_usable_and_fits_a_phone() {
    let site = Site::new("71").await;
    let sidecar = start(&site).await;
    let rows = strangers::write(&site, &sidecar).await;
    let console = console(&sidecar);
    let chrome = with_axe().await;
    chrome.open(&console).await;
    assert_usable(&chrome, "window", "log-in", ALL).await;
    log_in(&chrome).await;
    for page in rows.pages() {
        chrome.resize(1280, 900).await;
        chrome.prefer("light").await;
        chrome.open(&format!("{console}{page}")).await;
        let seconds: &[u64] = match page.as_str() {
            "" => &[5, 60],
            "runs" | "mails" | "hooks" => &[5],
            _ => &[],
        };
        assert_asks_every(&chrome, "window", &page, seconds).await;
        assert_usable(&chrome, "window", &page, ALL).await;
        for width in [1280, 1030, 720] {
            chrome.resize(width, 900).await;
            assert_fits(&chrome, &page, width).await;
        }
        // All that opens is open, also in the pictures that follow.
        let open = "document.querySelectorAll('details').forEach((one) => one.open = true)";
        chrome.value(open).await;
        assert_usable(&chrome, "window", &page, COLOURS).await;
        chrome.prefer("dark").await;
        assert_usable(&chrome, "window", &page, COLOURS).await;
        chrome.resize(360, 740).await;
        assert_fits(&chrome, &page, 360).await;
        assert_eq!(chrome.value("typeof pwned").await, "undefined", "{page}");
    }
    chrome.click(".menu").await;
    assert_usable(&chrome, "window", "the menu", ALL).await;
    assert_fits(&chrome, "the menu", 360).await;
    chrome.close().await;
}
