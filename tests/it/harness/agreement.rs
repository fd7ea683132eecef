//! Whether everything that tells if calls can be carried out says the same: the health check, the metric, the answer to
//! calls, the log, and `fcom-sidecar check`.

use serde_json::Value;

use crate::harness::check_report::Outcome;
use crate::harness::eventually::eventually;
use crate::harness::http;
use crate::harness::metrics::{scrape, value};
use crate::harness::sidecar::Sidecar;
use crate::harness::site::MEMBERS_HOOK;

const UP: &str = "fcom_sidecar_database_up";

/// What `/readyz` says.
pub(crate) async fn readiness(sidecar: &Sidecar) -> (u16, Value) {
    let answer = http::request(sidecar.client.admin, "GET", "/readyz", &[], b"").await;
    let answer = answer.unwrap();
    (answer.status, answer.json())
}

/// Runs `check` with the daemon's own configuration.
pub(crate) fn check(sidecar: &Sidecar) -> Outcome {
    let (succeeded, output, complaint) = sidecar.output(&["check", "--json"]);
    assert_eq!(complaint, "", "{output}");
    Outcome {
        output,
        code: Some(i32::from(!succeeded)),
    }
}

/// Waits until the daemon is not ready for this reason, with this remedy if it needs an operator, and asserts that all
/// agree. `check` may know the reason from the daemon only.
pub(crate) async fn not_ready(sidecar: &Sidecar, what: &str, remedy: Option<&str>) {
    let said = eventually(async || {
        let (status, said) = readiness(sidecar).await;
        let reason = said["reason"].as_str().unwrap_or_default();
        if status == 503 && reason.contains(what) {
            return Ok(said);
        }
        Err(format!("{status}: {said}\n{}", sidecar.log()))
    })
    .await;
    assert_eq!(said["status"], "not ready", "{said}");
    let remedies = said["remedy"].as_str();
    match remedy {
        Some(remedy) => assert!(remedies.is_some_and(|r| r.contains(remedy)), "{said}"),
        None => assert_eq!(remedies, None),
    }
    let up = value(&scrape(&sidecar.client).await, UP);
    assert!(up < 0.5, "{UP} is {up}");
    let fields = [("email", "meanwhile@example.com")];
    let response = sidecar.client.call(MEMBERS_HOOK, &fields).await;
    assert_eq!(response.status, 503, "{}", response.text());
    assert!(response.header("retry-after").is_some());
    assert!(response.text().contains("nothing was changed"));
    assert_logged_once(sidecar, what, remedy);

    let outcome = check(sidecar);
    assert_eq!(outcome.code, Some(1), "{}", outcome.output);
    outcome.assert("daemon", "failed", what);
    if let Some(remedy) = remedy {
        let remedies = outcome.of("daemon")[0]["remedy"].to_string();
        assert!(remedies.contains(remedy), "{remedies}");
    }
}

/// The log has one line about the state, at the level that tells whether the operator has to act, and nothing else at
/// level ERROR.
fn assert_logged_once(sidecar: &Sidecar, what: &str, remedy: Option<&str>) {
    let log = sidecar.log();
    let lines: Vec<&str> = log.lines().filter(|l| l.contains("not ready: ")).collect();
    let about: Vec<&&str> = lines.iter().filter(|line| line.contains(what)).collect();
    let [line] = about[..] else {
        panic!("{what} is told other than once: {lines:#?}");
    };
    let (level, end) = match remedy {
        Some(remedy) => ("ERROR", remedy),
        None => ("WARN", "Calls get 503 until this is over"),
    };
    assert!(line.contains(level) && line.contains(end), "{line}");
    let errors = log.lines().filter(|line| line.contains("ERROR"));
    let others: Vec<&str> = errors
        .filter(|line| !line.contains("not ready: "))
        .collect();
    assert!(others.is_empty(), "{others:#?}");
}

/// Waits until the daemon is ready again by itself, and asserts that all agree. `times`: how often it was not.
pub(crate) async fn ready_again(sidecar: &Sidecar, times: usize) {
    sidecar.client.readiness_becomes(200).await;
    let up = value(&scrape(&sidecar.client).await, UP);
    assert!(up > 0.5, "{UP} is {up}");
    let fields = [("email", "afterwards@example.com")];
    sidecar.client.execute(MEMBERS_HOOK, &fields).await;
    let log = sidecar.log();
    let ends: Vec<&str> = log.lines().filter(|l| l.contains("ready again")).collect();
    assert_eq!(ends.len(), times, "{ends:#?}");
    assert!(
        ends.iter()
            .all(|line| line.contains("not executed meanwhile"))
    );
    let outcome = check(sidecar);
    outcome.assert("daemon", "ok", "executes calls");
    outcome.assert("readiness", "ok", "rolled back");
}
