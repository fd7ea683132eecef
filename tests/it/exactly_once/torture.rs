//! Calls through two instances under random faults: the daemons and the database server are killed, connections are
//! killed, cut or fall silent, rows are locked, the server refuses writes for a while. No answered call is lost, none
//! is half done, and everything recovers by itself.
//!
//! `FCOM_TORTURE_ROUNDS` and `FCOM_TORTURE_SEED` repeat or prolong a run; a failure names its seed.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU32, Ordering};
use std::time::{Duration, Instant};

use fcom_sidecar::sample::server::PrivateServer;
use rand::rngs::StdRng;
use rand::{RngExt, SeedableRng};
use tokio::task::JoinSet;

use crate::harness::client::Client;
use crate::harness::environment::setting;
use crate::harness::eventually::{time_passes, until};
use crate::harness::invariants;
use crate::harness::proxy::Proxy;
use crate::harness::sidecar::Sidecar;
use crate::harness::site::{MEMBERS_HOOK, PLAIN_HOOK, SPACES_HOOK, Site, server_options};

/// Enough for `make test`; `make torture` runs more.
const ROUNDS: u32 = 7;
const CALLERS: u32 = 8;
/// The delay before a refused caller calls again.
const LATER: Duration = Duration::from_millis(20);

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Fault {
    KillDaemon,
    KillServer,
    KillConnections,
    CutConnections,
    SilentConnections,
    LockedRows,
    ReadOnly,
}

const FAULTS: [Fault; 7] = [
    Fault::KillDaemon,
    Fault::KillServer,
    Fault::KillConnections,
    Fault::CutConnections,
    Fault::SilentConnections,
    Fault::LockedRows,
    Fault::ReadOnly,
];

/// All callers, and the answers they got.
struct Callers {
    tasks: JoinSet<Vec<(String, u64)>>,
    answered: Arc<AtomicU32>,
    stop: Arc<AtomicBool>,
}

impl Callers {
    fn start(clients: &[Client; 2], seed: u64) -> Self {
        let mut callers = Self {
            tasks: JoinSet::new(),
            answered: Arc::default(),
            stop: Arc::default(),
        };
        for caller in 0..CALLERS {
            let random = StdRng::seed_from_u64(seed + u64::from(caller));
            let (answered, stop) = (callers.answered.clone(), callers.stop.clone());
            callers
                .tasks
                .spawn(call(clients.clone(), random, answered, stop));
        }
        callers
    }

    /// Waits until this many more calls are answered with 200.
    async fn succeed(&self, calls: u32, what: &str) {
        let wanted = self.answered.load(Ordering::SeqCst) + calls;
        let what = format!("{what}: calls do not succeed again");
        let succeed = async || self.answered.load(Ordering::SeqCst) >= wanted;
        until(&what, succeed).await;
    }

    async fn end(self) -> BTreeMap<String, u64> {
        self.stop.store(true, Ordering::SeqCst);
        self.tasks.join_all().await.into_iter().flatten().collect()
    }
}

/// Calls until stopped: for new addresses, for addresses that others call for concurrently, for existing users.
async fn call(
    clients: [Client; 2],
    mut random: StdRng,
    answered: Arc<AtomicU32>,
    stop: Arc<AtomicBool>,
) -> Vec<(String, u64)> {
    let mut users = Vec::new();
    while !stop.load(Ordering::SeqCst) {
        let email = match random.random_range(0..4) {
            0 => "existing@example.com".to_owned(),
            1 => format!("shared{}@example.com", answered.load(Ordering::SeqCst) / 8),
            _ => format!("john@{:x}.example", random.random::<u64>()),
        };
        let hook = [PLAIN_HOOK, MEMBERS_HOOK, SPACES_HOOK][random.random_range(0..3)];
        let client = &clients[random.random_range(0..2)];
        match client.try_call(hook, &[("email", &email)]).await {
            Ok(response) if response.status == 200 => {
                users.push((email, response.json()["user_id"].as_u64().unwrap()));
                answered.fetch_add(1, Ordering::SeqCst);
            }
            Ok(response) => {
                assert_eq!(response.status, 503, "{}", response.text());
                assert!(response.header("retry-after").is_some());
                time_passes(LATER).await;
            }
            // No daemon is listening, or it was killed meanwhile.
            Err(_) => time_passes(LATER).await,
        }
    }
    users
}

struct Scene {
    site: Site,
    server: Arc<PrivateServer>,
    proxy: Proxy,
    sidecars: [Sidecar; 2],
}

impl Scene {
    async fn play(&mut self, fault: Fault, random: &mut StdRng, callers: &Callers) {
        let pause = Duration::from_millis(random.random_range(50..800));
        match fault {
            Fault::KillDaemon => {
                let sidecar = &mut self.sidecars[random.random_range(0..2)];
                sidecar.kill();
                time_passes(pause).await;
                sidecar.restart().await;
            }
            Fault::KillServer => {
                self.server.kill();
                time_passes(pause).await;
                self.server.restart().await.unwrap();
            }
            Fault::KillConnections => {
                let all = "SELECT id FROM information_schema.processlist \
                    WHERE id <> CONNECTION_ID() AND command <> 'Daemon'";
                for id in self.site.column(all).await {
                    // The connection may already be closed.
                    let _ = self.site.try_execute(&format!("KILL {id}")).await;
                }
            }
            Fault::CutConnections => self.proxy.cut(),
            Fault::SilentConnections => self.proxy.fall_silent(),
            Fault::LockedRows => {
                let mut locker = self.site.pool().begin().await.unwrap();
                sqlx::raw_sql("SELECT ID FROM wp_users WHERE ID < 13 FOR UPDATE")
                    .execute(&mut *locker)
                    .await
                    .unwrap();
                sqlx::raw_sql("SELECT id FROM wp_fcom_meta WHERE id = 3 FOR UPDATE")
                    .execute(&mut *locker)
                    .await
                    .unwrap();
                time_passes(pause * 3).await;
                locker.rollback().await.unwrap();
            }
            Fault::ReadOnly => {
                self.site.execute("SET GLOBAL read_only = ON").await;
                time_passes(pause).await;
                self.site.execute("SET GLOBAL read_only = OFF").await;
            }
        }
        let failed = Instant::now();
        callers.succeed(20, &format!("{fault:?}")).await;
        // Shown if the test fails.
        eprintln!("{fault:?}: twenty calls took {:.1?}", failed.elapsed());
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn nothing_is_lost_while_everything_fails() {
    let seed = setting("FCOM_TORTURE_SEED", rand::random::<u32>);
    let rounds = setting("FCOM_TORTURE_ROUNDS", || ROUNDS);
    // Shown if the test fails.
    eprintln!("to repeat: FCOM_TORTURE_SEED={seed} FCOM_TORTURE_ROUNDS={rounds}");
    let mut random = StdRng::seed_from_u64(seed.into());
    let server = Arc::new(PrivateServer::start(server_options()).await.unwrap());
    let site = Site::on(server.clone(), "71").await;
    // `read_only` does not affect administrators.
    site.make_the_account_an_ordinary_one().await;
    let proxy = Proxy::start(&site).await;
    let url = proxy.url(&site);
    let environment = [
        ("FCOM_SIDECAR__DATABASE__URL", url.as_str()),
        ("FCOM_SIDECAR__DATABASE__LOCK_WAIT_TIMEOUT_SECONDS", "1"),
    ];
    let sidecars = [
        Sidecar::start_with(&site, &environment).await,
        Sidecar::start_with(&site, &environment).await,
    ];
    let clients = [sidecars[0].client.clone(), sidecars[1].client.clone()];
    let callers = Callers::start(&clients, seed.into());
    let mut scene = Scene {
        site,
        server,
        proxy,
        sidecars,
    };
    callers.succeed(20, "the start").await;
    for round in 0..rounds {
        // Each fault at least once, then at random.
        let index = match usize::try_from(round).unwrap() {
            round if round < FAULTS.len() => round,
            _ => random.random_range(0..FAULTS.len()),
        };
        scene.play(FAULTS[index], &mut random, &callers).await;
    }
    let answered = callers.end().await;

    let Scene { site, sidecars, .. } = &scene;
    for sidecar in sidecars {
        sidecar.client.readiness_becomes(200).await;
    }
    // A count of users that could not be written is written with the next one.
    sidecars[0]
        .client
        .execute(PLAIN_HOOK, &[("email", "last@example.com")])
        .await;
    invariants::wait_for_tally(site).await;
    invariants::assert_hold(site).await;
    let rows = site.rows("SELECT user_email, ID FROM wp_users").await;
    let users: BTreeMap<String, String> = rows
        .into_iter()
        .map(|row| <[_; 2]>::try_from(row).unwrap().map(Option::unwrap).into())
        .collect();
    for (email, user) in &answered {
        assert_eq!(users.get(email), Some(&user.to_string()), "{email}");
    }
    let promised = "SELECT COUNT(*) FROM wp_fcom_sidecar_runs r WHERE changes LIKE '%\"welcome_mail\":true%' \
        AND NOT EXISTS (SELECT 1 FROM wp_fcom_sidecar_mail m WHERE m.user_id = r.user_id)";
    assert_eq!(site.number(promised).await, 0, "mails are lost");
}
