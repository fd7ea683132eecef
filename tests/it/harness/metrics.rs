//! Scrapes a daemon's metrics and waits for values.

use std::time::{Duration, Instant};

use crate::harness::client::Client;
use crate::harness::http;

const PATIENCE: Duration = Duration::from_secs(30);

pub(crate) async fn scrape(client: &Client) -> String {
    let response = http::request(client.admin, "GET", "/metrics", &[], b"")
        .await
        .unwrap();
    assert_eq!(response.status, 200);
    let text = response.text();
    assert!(text.ends_with("# EOF\n"), "{text}");
    text
}

/// The value of the series that begins with this, labels included.
pub(crate) fn value(scrape: &str, series: &str) -> f64 {
    let line = scrape
        .lines()
        .find_map(|line| line.strip_prefix(series)?.strip_prefix(' '));
    line.unwrap_or_else(|| panic!("no {series} in:\n{scrape}"))
        .parse()
        .unwrap()
}

/// Waits until a series is as wanted.
pub(crate) async fn wait_for(
    client: &Client,
    series: &str,
    is_wanted: impl Fn(f64) -> bool,
) -> String {
    let deadline = Instant::now() + PATIENCE;
    loop {
        let text = scrape(client).await;
        if is_wanted(value(&text, series)) {
            return text;
        }
        assert!(Instant::now() < deadline, "{series} in:\n{text}");
        tokio::time::sleep(Duration::from_millis(50)).await;
    }
}
