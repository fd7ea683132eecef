//! Scrapes a daemon's metrics and waits for values.

use crate::harness::client::Client;
use crate::harness::eventually::eventually;
use crate::harness::http;

pub(crate) async fn scrape(client: &Client) -> String {
    let response = http::request(client.admin, "GET", "/metrics", &[], b"")
        .await
        .unwrap();
    assert_eq!(response.status, 200);
    let text = response.text();
    assert!(text.ends_with("# EOF\n"), "{text}");
    text
}

/// The value of the series with this prefix, labels included.
pub(crate) fn value(scrape: &str, series: &str) -> f64 {
    let line = scrape
        .lines()
        .find_map(|line| line.strip_prefix(series)?.strip_prefix(' '));
    line.unwrap_or_else(|| panic!("no {series} in:\n{scrape}"))
        .parse()
        .unwrap()
}

/// Waits until a series has the wanted value.
pub(crate) async fn wait_for(
    client: &Client,
    series: &str,
    is_wanted: impl Fn(f64) -> bool,
) -> String {
    eventually(async || {
        let text = scrape(client).await;
        if is_wanted(value(&text, series)) {
            Ok(text)
        } else {
            Err(format!("{series} in:\n{text}"))
        }
    })
    .await
}
