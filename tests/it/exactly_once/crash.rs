//! The end of a daemon under load. Kill -9: answered calls are kept, unanswered ones are complete or absent, and every
//! run is counted once. SIGTERM: calls that have begun are answered.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::sync::atomic::{AtomicU32, Ordering};

use tokio::sync::mpsc;
use tokio::task::JoinSet;

use crate::harness::client::Client;
use crate::harness::invariants;
use crate::harness::sidecar::Sidecar;
use crate::harness::site::{KNOWN_USER, MEMBERS_HOOK, PLAIN_HOOK, SPACES_HOOK, Site};
use crate::harness::webhook_record::running_count;

const KILLS: u32 = 20;
const CALLERS: u32 = 16;

/// A call that was answered with 200.
struct Answered {
    email: String,
    user: u64,
}

/// Calls until the daemon does not answer or says that it is stopping, each time for another user, but every third time
/// for an existing one.
async fn call_until_dead(
    client: Client,
    number: Arc<AtomicU32>,
    answers: mpsc::UnboundedSender<Answered>,
) {
    loop {
        let number = number.fetch_add(1, Ordering::Relaxed);
        let (hook, email) = match number % 3 {
            0 => (PLAIN_HOOK, "existing@example.com".to_owned()),
            1 => (MEMBERS_HOOK, format!("new{number}@example.com")),
            _ => (SPACES_HOOK, format!("new{number}@example.com")),
        };
        let Ok(response) = client.try_call(hook, &[("email", &email)]).await else {
            return;
        };
        if response.status == 503 {
            return;
        }
        assert_eq!(response.status, 200, "{}", response.text());
        let user = response.json()["user_id"].as_u64().unwrap();
        if answers.send(Answered { email, user }).is_err() {
            return;
        }
    }
}

fn start_callers(
    client: &Client,
    number: &Arc<AtomicU32>,
) -> (JoinSet<()>, mpsc::UnboundedReceiver<Answered>) {
    let (sender, answers) = mpsc::unbounded_channel();
    let mut callers = JoinSet::new();
    for _ in 0..CALLERS {
        callers.spawn(call_until_dead(
            client.clone(),
            number.clone(),
            sender.clone(),
        ));
    }
    (callers, answers)
}

/// The total increase of all counters.
async fn counted(site: &Site) -> u64 {
    let webhooks = site.webhooks().await;
    let counts: u64 = webhooks
        .iter()
        .map(|(_, record)| running_count(record))
        .sum();
    counts - site.earlier_runs.values().sum::<u64>()
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn no_answered_call_is_lost_and_none_is_half_done_when_the_daemon_is_killed() {
    let site = Site::new("71").await;
    let mut sidecar = Sidecar::start(&site).await;
    let number = Arc::new(AtomicU32::new(0));
    let mut answered = Vec::new();
    for round in 0..KILLS {
        let (callers, mut answers) = start_callers(&sidecar.client, &number);
        // The number of answers sets the time of the kill, so that the kills hit different moments.
        for _ in 0..=round * 3 {
            answered.push(answers.recv().await.unwrap());
        }
        sidecar.kill();
        callers.join_all().await;
        while let Some(answer) = answers.recv().await {
            answered.push(answer);
        }
        sidecar.restart().await;
    }
    invariants::wait_for_tally(&site).await;
    invariants::assert_hold(&site).await;

    let rows = site.rows("SELECT user_email, ID FROM wp_users").await;
    let users: BTreeMap<String, String> = rows
        .into_iter()
        .map(|row| <[_; 2]>::try_from(row).unwrap().map(Option::unwrap).into())
        .collect();
    for Answered { email, user } in &answered {
        assert_eq!(users.get(email), Some(&user.to_string()), "{email}");
    }
    let counted = counted(&site).await;
    let (fewest, most) = (
        answered.len() as u64,
        u64::from(number.load(Ordering::Relaxed)),
    );
    assert!(
        (fewest..=most).contains(&counted),
        "{fewest} <= {counted} <= {most}"
    );
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_daemon_that_is_told_to_stop_answers_what_it_has_begun() {
    let site = Site::new("71").await;
    let mut sidecar = Sidecar::start(&site).await;
    let (callers, mut answers) = start_callers(&sidecar.client, &Arc::default());
    let mut answered = 0;
    while answered < 50 {
        answers.recv().await.unwrap();
        answered += 1;
    }
    let status = sidecar.terminate().unwrap();
    assert!(status.success(), "{status}");
    callers.join_all().await;
    while answers.recv().await.is_some() {
        answered += 1;
    }
    assert_eq!(counted(&site).await, answered);
    invariants::assert_hold(&site).await;
}

#[tokio::test]
async fn a_second_signal_ends_a_daemon_that_waits_for_a_call() {
    let site = Site::new("71").await;
    let patient = [("FCOM_SIDECAR__DATABASE__LOCK_WAIT_TIMEOUT_SECONDS", "50")];
    let mut sidecar = Sidecar::start_with(&site, &patient).await;
    let blocker = site.lock(KNOWN_USER).await;
    let client = sidecar.client.clone();
    let fields = [("email", "existing@example.com")];
    let call = tokio::spawn(async move { client.try_call(PLAIN_HOOK, &fields).await });
    site.a_call_waits().await;
    sidecar.tell_to_stop();
    sidecar.says("stopping: ").await;
    assert!(!call.is_finished());
    sidecar.tell_to_stop();
    assert!(sidecar.ends().await.success(), "{}", sidecar.log());
    // No answer, or one that says the outcome is unknown.
    if let Ok(response) = call.await.unwrap() {
        assert_eq!(response.status, 503, "{}", response.text());
        assert!(response.text().contains("Nobody can say"));
    }
    blocker.rollback().await.unwrap();
    sidecar.restart().await;
    invariants::wait_for_tally(&site).await;
    invariants::assert_hold(&site).await;
}
