//! A wall clock that jumps, for instance because an operator or a virtual machine's host sets it. Counters, stored
//! state and promised mails do not depend on it.

use std::path::PathBuf;
use std::time::Duration;

use futures_util::future::join_all;

use crate::harness::client::FORM;
use crate::harness::invariants;
use crate::harness::programs::missing;
use crate::harness::sidecar::Sidecar;
use crate::harness::site::{MEMBERS_HOOK, PLAIN_HOOK, SPACES_HOOK, Site, target};

/// The successive settings of the clock. None is beyond the retention of runs: pruning them would be correct.
const OFFSETS: [&str; 6] = ["-2h", "+20h", "-3d", "+30d", "+0", "-1m"];

/// The library that fakes a process's clock, wherever the distribution installs it.
pub(super) fn library() -> PathBuf {
    let folders = std::fs::read_dir("/usr/lib").unwrap();
    let places = folders.filter_map(|folder| {
        let library = folder.ok()?.path().join("faketime/libfaketime.so.1");
        library.is_file().then_some(library)
    });
    places.last().unwrap_or_else(|| missing("faketime"))
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_clock_that_jumps_does_no_harm() {
    let site = Site::new("71").await;
    let folder = tempfile::tempdir().unwrap();
    let offset = folder.path().join("offset");
    // Replaced atomically: a process that reads a partial file would exit.
    let set_clock = |to: &str| {
        let draft = folder.path().join("draft");
        std::fs::write(&draft, to).unwrap();
        std::fs::rename(draft, &offset).unwrap();
    };
    set_clock("+0");
    let environment = [
        ("LD_PRELOAD", library().display().to_string()),
        ("FAKETIME_TIMESTAMP_FILE", offset.display().to_string()),
        ("FAKETIME_NO_CACHE", "1".to_owned()),
        // Like the system's monotonic clock, it keeps running.
        ("DONT_FAKE_MONOTONIC", "1".to_owned()),
    ];
    let environment: Vec<(&str, &str)> = environment
        .iter()
        .map(|(name, value)| (*name, value.as_str()))
        .collect();
    let jumping = Sidecar::start_with(&site, &environment).await;
    // Stands for another machine, whose clock is right.
    let steady = Sidecar::start(&site).await;

    let headers = [("Content-Type", FORM), ("Idempotency-Key", "one order")];
    let repeat = || async {
        let body = b"email=keyed%40example.com";
        let (client, target) = (&jumping.client, target(PLAIN_HOOK));
        let answer = client.request("POST", &target, &headers, body).await;
        assert_eq!(answer.status, 200, "{}", answer.text());
        answer.json()
    };
    let first = repeat().await;
    let mut stamps = Vec::new();
    for (round, to) in OFFSETS.into_iter().enumerate() {
        set_clock(to);
        let calls = (0..12).map(|n| {
            let client = [&jumping.client, &steady.client][n % 2];
            let hook = [PLAIN_HOOK, MEMBERS_HOOK, SPACES_HOOK][n % 3];
            let email = match n % 4 {
                0 => "existing@example.com".to_owned(),
                1 => format!("shared{round}@example.com"),
                _ => format!("user{n}x{round}@example.com"),
            };
            async move { client.call(hook, &[("email", &email)]).await }
        });
        for answer in join_all(calls).await {
            assert_eq!(answer.status, 200, "{to}: {}", answer.text());
            stamps.push(answer.json()["execution_timestamp"].as_i64().unwrap());
        }
        assert_eq!(repeat().await, first, "{to}");
        assert_eq!(jumping.client.admin_status("/readyz").await, 200);
    }
    let (first, last) = (stamps.iter().min().unwrap(), stamps.iter().max().unwrap());
    let days = Duration::from_hours(24).as_secs().cast_signed();
    assert!(
        last - first > 30 * days,
        "the clock never jumped: {stamps:?}"
    );

    invariants::wait_for_tally(&site).await;
    invariants::assert_hold(&site).await;
    let promised = "SELECT COUNT(*) FROM wp_fcom_sidecar_runs r WHERE changes LIKE '%\"welcome_mail\":true%' \
        AND NOT EXISTS (SELECT 1 FROM wp_fcom_sidecar_mail m WHERE m.user_id = r.user_id)";
    assert_eq!(site.number(promised).await, 0, "mails are lost");
}
