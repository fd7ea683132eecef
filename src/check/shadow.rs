//! Checks shadow mode: whether it is on, whether PHP can be reached, and what was found so far.

use std::time::Duration;

use chrono::DateTime;
use tokio::net::TcpStream;
use tokio::time::timeout;

use super::report::Finding;
use crate::config::Config;
use crate::db::{Connection, Statements, TableNames};
use crate::operations::shadow::report;
use crate::provision::shadow::unread;
use crate::telemetry;

pub(super) const SHADOW: &str = "shadow";
const PATIENCE: Duration = Duration::from_secs(5);

/// What was found, if calls are executed by PHP.
pub(super) async fn check(
    config: &Config,
    tables: &TableNames,
    connection: &mut Connection,
) -> Finding {
    let Some(php) = &config.shadow.php else {
        return Finding::ok(SHADOW, "off: the sidecar executes the calls");
    };
    let connecting = timeout(PATIENCE, TcpStream::connect(php)).await;
    let refused = match connecting {
        Ok(Ok(_)) => None,
        Ok(Err(error)) => Some(error.to_string()),
        Err(_) => Some("no answer".to_owned()),
    };
    if let Some(why) = refused {
        return Finding::failed(
            SHADOW,
            format!("on, and PHP cannot be reached at {php} ({why}): calls are answered 502"),
            "set shadow.php to where the site's web server answers without passing through the sidecar",
        );
    }
    let statements = Statements::render(tables);
    let report = match report(connection, &statements, DateTime::UNIX_EPOCH).await {
        Ok(report) => report,
        Err(error) => {
            let why = telemetry::chain(&error);
            let remedy = "run \"fcom-sidecar migrate\"";
            return Finding::warning(SHADOW, format!("on; nothing is recorded: {why}"), remedy);
        }
    };
    let unread = match unread(connection, tables).await {
        Ok(unread) if unread.is_empty() => String::new(),
        Ok(unread) => format!(
            "; not compared, unless you grant the account SELECT on it: {}",
            unread.join(", ")
        ),
        Err(error) => format!("; nothing is compared: {}", telemetry::chain(&error)),
    };
    let calls = match report.calls {
        1 => "1 call".to_owned(),
        calls => format!("{calls} calls"),
    };
    let found = format!(
        "on, PHP executes the calls: {calls} in shadow, {} unexplained",
        report.unexplained
    );
    match report.obstacle() {
        None => Finding::warning(
            SHADOW,
            format!("{found}: ready to switch{unread}"),
            "set shadow.enabled = false and restart the sidecar when you want it to execute the calls",
        ),
        Some(obstacle) => Finding::warning(
            SHADOW,
            format!("{found}: {obstacle}{unread}"),
            "look at \"fcom-sidecar shadow report\" before you switch",
        ),
    }
}
