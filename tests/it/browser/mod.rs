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
