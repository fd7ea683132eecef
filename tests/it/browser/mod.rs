//! The console in a real browser, with and without scripts. What its pages say is tested in `admin::console`.

mod appearance;
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

/// A browser that has [axe-core](https://github.com/dequelabs/axe-core) in every page.
async fn with_axe() -> Chrome {
    let chrome = Chrome::start().await;
    let file = "target/axe/node_modules/axe-core/axe.min.js";
    let script = std::fs::read_to_string(Path::new(env!("CARGO_MANIFEST_DIR")).join(file));
    let script =
        script.unwrap_or_else(|_| panic!("{file} is missing: `make tools-browser` fetches it"));
    let parameters = serde_json::json!({"source": script});
    chrome
        .own("Page.addScriptToEvaluateOnNewDocument", parameters)
        .await;
    chrome
}
