//! An instance at each node of a database cluster that writes everywhere, and calls at all of them.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU32, Ordering};
use std::time::{Duration, Instant};

use futures_util::future::join_all;
use tokio::task::JoinSet;

use crate::harness::client::Client;
use crate::harness::eventually::{time_passes, until};
use crate::harness::sidecar::Sidecar;
use crate::harness::site::{MEMBERS_HOOK, SPACES_HOOK, Site};

/// Users that existed before the sidecar; every other one has a profile.
const OLD_USERS: u32 = 24;

/// The statements that create them.
pub(crate) fn old_users() -> String {
    format!(
        "INSERT INTO wp_users (user_login, user_nicename, user_email, display_name)
            WITH RECURSIVE numbers AS (SELECT 1 AS n UNION ALL SELECT n + 1 FROM numbers WHERE n < {OLD_USERS})
            SELECT CONCAT('old', n), CONCAT('old', n), CONCAT('old', n, '@example.com'), 'Old' FROM numbers;
        INSERT INTO wp_fcom_xprofile (user_id, username)
            SELECT ID, user_login FROM wp_users WHERE user_login LIKE 'old%' AND ID % 2"
    )
}

/// Instances that start concurrently, one per node, before any of their tables exist.
pub(crate) async fn start_everywhere(nodes: &[Site; 3]) -> Vec<Sidecar> {
    let mut sidecars = Vec::new();
    for node in nodes {
        let lock_wait = ("FCOM_SIDECAR__DATABASE__LOCK_WAIT_TIMEOUT_SECONDS", "3");
        sidecars.push(Sidecar::unstarted(node, &[lock_wait]).await);
    }
    for sidecar in &mut sidecars {
        sidecar.spawn();
    }
    for sidecar in &mut sidecars {
        assert!(sidecar.becomes_ready().await, "{}", sidecar.log());
    }
    sidecars
}

/// Concurrent calls for one address at every node; all are executed, for one user.
pub(crate) async fn everywhere(clients: &[Client], hook: &str, email: &str) -> u64 {
    let fields = [("email", email)];
    let calls = clients.iter().map(|client| client.execute(hook, &fields));
    let users = join_all(calls).await;
    assert!(users.iter().all(|user| *user == users[0]), "{users:?}");
    users[0]
}

/// Calls for known and new users at every node concurrently.
pub(crate) async fn collide(clients: &[Client]) {
    for batch in 0..OLD_USERS / 4 {
        let calls = (1..=4).flat_map(|n| {
            let n = batch * 4 + n;
            let known = (SPACES_HOOK, format!("old{n}@example.com"));
            let new = (MEMBERS_HOOK, format!("new{n}@example.com"));
            [known, new].map(|(hook, email)| async move { everywhere(clients, hook, &email).await })
        });
        join_all(calls).await;
    }
}

/// Calls at every node until stopped; errors of a node that is down are ignored.
pub(crate) struct Load {
    tasks: JoinSet<Answers>,
    answered: [Arc<AtomicU32>; 3],
    stop: Arc<AtomicBool>,
    started: Instant,
}

/// What the callers were told.
#[derive(Default)]
pub(crate) struct Answers {
    /// The users of executed calls.
    users: BTreeMap<String, u64>,
    /// The addresses of calls that were not executed, each from a single call.
    refused: Vec<String>,
}

/// How a response says that the call may have been executed all the same.
const UNKNOWN: &str = "Nobody can say";

impl Load {
    pub(crate) fn start(clients: &[Client]) -> Self {
        let mut load = Self {
            tasks: JoinSet::new(),
            answered: Default::default(),
            stop: Arc::default(),
            started: Instant::now(),
        };
        for caller in 0..2 {
            for (node, client) in clients.iter().enumerate() {
                let (client, stop) = (client.clone(), load.stop.clone());
                let answered = load.answered[node].clone();
                load.tasks.spawn(async move {
                    let mut answers = Answers::default();
                    let mut call = 0_u32;
                    while !stop.load(Ordering::SeqCst) {
                        call += 1;
                        let email = match call % 6 {
                            0 | 3 => format!("old{}@example.com", call % OLD_USERS + 1),
                            1 | 4 => format!("shared{}@example.com", call / 9),
                            2 => format!("sam@d{caller}{node}{call}.example.com"),
                            _ => format!("u{caller}{node}{call}@example.com"),
                        };
                        let hook = [MEMBERS_HOOK, SPACES_HOOK][call as usize % 2];
                        let response = client.try_call(hook, &[("email", &email)]).await.unwrap();
                        if response.status == 200 {
                            let user = response.json()["user_id"].as_u64().unwrap();
                            answers.users.insert(email, user);
                            answered.fetch_add(1, Ordering::SeqCst);
                        } else {
                            assert_eq!(response.status, 503, "{}", response.text());
                            assert!(response.header("retry-after").is_some());
                            let is_single = matches!(call % 6, 2 | 5);
                            if is_single && !response.text().contains(UNKNOWN) {
                                answers.refused.push(email);
                            }
                        }
                        time_passes(Duration::from_millis(50)).await;
                    }
                    answers
                });
            }
        }
        load
    }

    /// Waits until each of these nodes has answered this many more calls.
    pub(crate) async fn succeed(&self, nodes: &[usize], calls: u32, what: &str) {
        // Shown if the test fails.
        eprintln!("{:.1?}: {what}", self.started.elapsed());
        for &node in nodes {
            let answered = &self.answered[node];
            let wanted = answered.load(Ordering::SeqCst) + calls;
            let none = format!("{what}: none at node {node}");
            until(&none, async || answered.load(Ordering::SeqCst) >= wanted).await;
        }
    }

    /// Stops the calls.
    pub(crate) async fn end(self) -> Answers {
        self.stop.store(true, Ordering::SeqCst);
        let mut all = Answers::default();
        for answers in self.tasks.join_all().await {
            all.users.extend(answers.users);
            all.refused.extend(answers.refused);
        }
        all
    }
}

impl Answers {
    /// Asserts that the site has the users that the callers were told of, and none from a call that was said not to be
    /// executed.
    pub(crate) async fn assert_kept(&self, site: &Site) {
        let rows = site.rows("SELECT user_email, ID FROM wp_users").await;
        let users: BTreeMap<String, String> = rows
            .into_iter()
            .map(|row| <[_; 2]>::try_from(row).unwrap().map(Option::unwrap).into())
            .collect();
        for (email, user) in &self.users {
            assert_eq!(users.get(email), Some(&user.to_string()), "{email}");
        }
        for email in &self.refused {
            assert_eq!(users.get(email), None, "{email} was refused");
        }
    }
}
