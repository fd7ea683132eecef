//! The console in a real browser, with and without scripts. What its pages say is tested in `admin::console`.

mod appearance;
mod live;
mod pictures;
mod work;
mod wp_admin;

use std::path::Path;

use crate::harness::chrome::Chrome;
use crate::harness::management::TOKEN;
use crate::harness::sidecar::Sidecar;

/// The address of the console.
fn console(sidecar: &Sidecar) -> String {
    format!("http://{}/console/", sidecar.client.admin)
}

/// Logs in from the page that asks for it.
async fn log_in(chrome: &Chrome) {
    chrome.fill("#token", TOKEN).await;
    chrome.press("Log in").await;
}

/// Findings that keep people from using a page, with the elements.
const AXE: &str = "WINDOW.axe.run(WINDOW.document, {iframes: false, resultTypes: ['violations'], RULES}).then((found) => found.violations
    .filter((one) => ['serious', 'critical'].includes(one.impact))
    .map((one) => one.id + ': ' + one.nodes.map((node) => node.html + ' ' + node.failureSummary).join(' | ')).join(' || '))";
pub(crate) const ALL: &str = "rules: {}";

/// Nothing keeps people from using what this window shows.
pub(crate) async fn assert_usable(chrome: &Chrome, window: &str, page: &str, rules: &str) {
    let axe = AXE.replace("WINDOW", window).replace("RULES", rules);
    assert_eq!(chrome.value(&axe).await, "", "{page}");
}

/// Notes for which times a page waits, in milliseconds.
const WAITS: &str = "const [later, often] = [setTimeout, setInterval]; var waits = new Set();
    setTimeout = (work, time, ...rest) => (waits.add(time), later(work, time, ...rest));
    setInterval = (work, time, ...rest) => (waits.add(time), often(work, time, ...rest));";

/// A page that is live asks in these intervals, in seconds, and any other page never.
pub(crate) async fn assert_asks_every(chrome: &Chrome, window: &str, page: &str, seconds: &[u64]) {
    let long = format!("[...{window}.waits].filter((time) => time >= 1000).sort((a, b) => a - b)");
    let milliseconds: Vec<u64> = seconds.iter().map(|seconds| seconds * 1000).collect();
    assert_eq!(
        chrome.value(&long).await,
        serde_json::json!(milliseconds),
        "{page}"
    );
}

/// A browser that has [axe-core](https://github.com/dequelabs/axe-core) in every page, and what [`assert_asks_every`] reads.
async fn with_axe() -> Chrome {
    let chrome = Chrome::start().await;
    let file = "target/axe/node_modules/axe-core/axe.min.js";
    let script = std::fs::read_to_string(Path::new(env!("CARGO_MANIFEST_DIR")).join(file));
    let script =
        script.unwrap_or_else(|_| panic!("{file} is missing: `make tools-browser` fetches it"));
    let parameters = serde_json::json!({"source": format!("{WAITS}\n{script}")});
    chrome
        .own("Page.addScriptToEvaluateOnNewDocument", parameters)
        .await;
    chrome
}
