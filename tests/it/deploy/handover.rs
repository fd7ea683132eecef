//! Socket handover by a service manager: a restart under load loses no call.

use std::net::TcpListener;
use std::process::Command;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU32, Ordering};

use tokio::task::JoinHandle;

use crate::harness::eventually::until;
use crate::harness::invariants;
use crate::harness::process::pass;
use crate::harness::sidecar::Sidecar;
use crate::harness::site::{PLAIN_HOOK, SPACES_HOOK, Site};

const CALLERS: u32 = 8;
const RESTARTS: u32 = 4;
const CALLS_BETWEEN: u32 = 40;

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_restart_under_load_loses_no_call() {
    let site = Site::new("71").await;
    let socket = TcpListener::bind("127.0.0.1:0").unwrap();
    let mut sidecar = Sidecar::unstarted(&site, &[]).await;
    sidecar.client.public = socket.local_addr().unwrap();
    sidecar.spawn_as(|command| pass(command, &socket, "calls"));
    assert!(sidecar.becomes_ready().await, "{}", sidecar.log());

    let (ended, answered) = (
        Arc::new(AtomicBool::new(false)),
        Arc::new(AtomicU32::new(0)),
    );
    let callers: Vec<_> = (0..CALLERS)
        .map(|caller| {
            let (client, ended, answered) =
                (sidecar.client.clone(), ended.clone(), answered.clone());
            tokio::spawn(async move {
                let mut calls = 0;
                while !ended.load(Ordering::Relaxed) {
                    let email = format!("caller{caller}x{calls}@example.com");
                    let hook = if calls % 2 == 0 {
                        PLAIN_HOOK
                    } else {
                        SPACES_HOOK
                    };
                    client.execute(hook, &[("email", &email)]).await;
                    answered.fetch_add(1, Ordering::Relaxed);
                    calls += 1;
                }
            })
        })
        .collect();
    for restart in 1..=RESTARTS {
        until("the calls stop", async || {
            let failed = callers.iter().any(JoinHandle::is_finished);
            assert!(!failed, "a call failed");
            answered.load(Ordering::Relaxed) >= restart * CALLS_BETWEEN
        })
        .await;
        let status = sidecar.terminate().unwrap();
        assert!(status.success(), "{status}\n{}", sidecar.log());
        sidecar.spawn_as(|command| pass(command, &socket, "calls"));
        assert!(sidecar.becomes_ready().await, "{}", sidecar.log());
    }
    ended.store(true, Ordering::Relaxed);
    for caller in callers {
        caller.await.unwrap();
    }
    let runs = "SELECT COUNT(*) FROM wp_fcom_sidecar_runs";
    let runs = site.number(runs).await;
    assert_eq!(runs, u64::from(answered.load(Ordering::Relaxed)));
    invariants::wait_for_tally(&site).await;
    invariants::assert_hold(&site).await;
}

#[tokio::test]
async fn something_that_is_no_socket_is_named() {
    let site = Site::new("71").await;
    let mut sidecar = Sidecar::unstarted(&site, &[]).await;
    sidecar.spawn_as(|command| {
        let mut shell = Command::new("sh");
        shell
            .args([
                "-c",
                r#"exec 3</dev/null; LISTEN_FDS=1 LISTEN_PID=$$ exec "$@""#,
                "sh",
            ])
            .arg(command.get_program())
            .args(command.get_args());
        shell
    });
    assert_eq!(sidecar.ends().await.code(), Some(1), "{}", sidecar.log());
    assert!(sidecar.log().contains("ListenStream="), "{}", sidecar.log());
}
