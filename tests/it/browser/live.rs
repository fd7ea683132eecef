//! Pages that are live leave alone what somebody has opened or focused.

use super::{console, log_in};
use crate::harness::chrome::Chrome;
use crate::harness::management::start;
use crate::harness::site::{PLAIN_HOOK, Site};

/// Looks at the latest run, as with the keyboard.
const LOOK: &str = "kept = document.getElementById('latest'), kept.querySelector('a').focus()";
/// Nobody looks at it any more.
const LEAVE: &str = "document.activeElement.blur()";
/// Has the page ask, and says whether what somebody looked at is still there.
const ASK: &str = "new Promise((done) => {
        addEventListener('htmx:afterRequest', () => done(kept.isConnected), {once: true});
        htmx.trigger('#main', 'news');
    })";

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn nothing_is_replaced_in_which_somebody_is_at_work() {
    let site = Site::new("71").await;
    let sidecar = start(&site).await;
    let ann = [("email", "ann@example.com")];
    sidecar.client.execute(PLAIN_HOOK, &ann).await;
    let chrome = Chrome::start().await;
    chrome.open(&console(&sidecar)).await;
    log_in(&chrome).await;
    chrome.says(" ann id ").await;

    // The charts ask for themselves alone.
    chrome.value(LOOK).await;
    let charts =
        "charts = document.getElementById('charts'), htmx.ajax('GET', '', {source: '#charts'})
        .then(() => [charts.isConnected, kept.isConnected])";
    let stay = chrome.value(charts).await;
    assert_eq!(stay, serde_json::json!([false, true]));

    // While the answer is on its way, somebody begins.
    chrome.value(LEAVE).await;
    let begin = format!("addEventListener('htmx:beforeSend', () => {{ {LOOK} }}, {{once: true}})");
    chrome.value(&begin).await;
    assert_eq!(chrome.value(ASK).await, true);
    chrome.value(LEAVE).await;
    let open = "addEventListener('htmx:beforeSend', () => {
            kept = document.getElementById('latest');
            kept.append(Object.assign(document.createElement('details'), {open: true}));
        }, {once: true})";
    chrome.value(open).await;
    assert_eq!(chrome.value(ASK).await, true);

    // Nobody is at work any more.
    chrome.value("kept.querySelector('details').remove()").await;
    assert_eq!(chrome.value(ASK).await, false);
    chrome.close().await;
}
