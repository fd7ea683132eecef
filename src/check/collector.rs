//! Checks whether the OpenTelemetry collector accepts spans, if one is configured.

use super::report::Finding;
use crate::config::Config;
use crate::telemetry;

const COLLECTOR: &str = "collector";

pub(super) async fn check(config: &Config) -> Option<Finding> {
    let otlp = config.otlp.as_ref()?;
    Some(match telemetry::try_collector(otlp).await {
        Ok(()) => Finding::ok(COLLECTOR, "takes spans"),
        Err(error) if error.prevents_start() => {
            let remedy = "see that the system has certificates to trust";
            Finding::failed(COLLECTOR, telemetry::chain(&error), remedy)
        }
        Err(error) => Finding::warning(
            COLLECTOR,
            format!("{}; calls go on, spans are lost", telemetry::chain(&error)),
            "start the collector, or correct otlp.endpoint or otlp.headers",
        ),
    })
}
