//! Generates `docs/metrics.md`: every metric, as a scrape describes it.

use std::fmt::Write;

use fcom_sidecar::app;
use fcom_sidecar::config::{Config, Sources};

const INTRODUCTION: &str = "\
# Metrics

<!-- Written by \"make docs\" from the metrics' own descriptions in src/telemetry. -->

`GET /metrics` on `server.admin_listen` returns these in the OpenMetrics text format. A scrape reads memory only and never waits
for the database. Backlog metrics (runs, mails, hooks) are read from the database every five seconds and cover all instances.
Metrics of hooks and wake-ups exist only while the relay is enabled. [operating.md](operating.md#metrics-and-alerts) explains
which ones to watch.

| Metric | Type | Labels | Meaning |
| --- | --- | --- | --- |
";

/// The values of each label, in the scrape's order.
fn labels(scrape: &str, name: &str) -> String {
    let mut labels: Vec<(String, Vec<String>)> = Vec::new();
    for line in scrape.lines().filter(|line| line.starts_with(name)) {
        let Some((_, rest)) = line.split_once('{') else {
            continue;
        };
        let rest = rest.split_once('}').unwrap().0;
        for (label, value) in rest.split(',').filter_map(|pair| pair.split_once('=')) {
            if matches!(label, "le" | "version") {
                continue;
            }
            let value = format!("`{}`", value.trim_matches('"'));
            match labels.iter_mut().find(|(known, _)| known == label) {
                Some((_, values)) if values.contains(&value) => {}
                Some((_, values)) => values.push(value),
                None => labels.push((label.to_owned(), vec![value])),
            }
        }
    }
    let mut text = Vec::new();
    for (label, mut values) in labels {
        values.sort();
        text.push(format!("`{label}`: {}", values.join(", ")));
    }
    text.join("; ")
}

pub(super) fn reference() -> String {
    let options = [
        ("database.url", "mysql://user:password@localhost/database"),
        ("relay.enabled", "true"),
    ];
    let config = Config::load(Sources {
        overrides: options
            .map(|(key, value)| (key.to_owned(), value.to_owned()))
            .into(),
        ..Sources::default()
    });
    let metrics = app::metrics(&config.unwrap());
    // Without these their series do not exist yet.
    metrics.set_connections(1, 0, 0);
    let scrape = metrics.encode().unwrap();
    let mut rows = Vec::new();
    let mut help = "";
    for line in scrape.lines() {
        if let Some(line) = line.strip_prefix("# HELP ") {
            help = line.split_once(' ').unwrap().1.trim_end_matches('.');
        }
        if let Some((name, kind)) = line
            .strip_prefix("# TYPE ")
            .and_then(|line| line.split_once(' '))
        {
            let suffix = match kind {
                "counter" => "_total",
                "info" => "_info",
                _ => "",
            };
            let labels = labels(&scrape, name);
            rows.push(format!("| `{name}{suffix}` | {kind} | {labels} | {help} |"));
        }
    }
    rows.sort();
    let mut text = INTRODUCTION.to_owned();
    for row in rows {
        writeln!(text, "{row}").unwrap();
    }
    text
}
