//! Asks what `serve` asks before it executes a call, a test write included, and asks the daemon itself, if it runs. So
//! this report and the daemon's `/readyz` agree.

use std::error::Error;
use std::io::{self, ErrorKind};
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr};
use std::sync::Arc;
use std::time::Duration;

use reqwest::{Client, redirect};
use serde::Deserialize;

use super::answer::beginning;
use super::report::Finding;
use crate::config::{Config, Listen, Server};
use crate::db::{TableNames, Unobserved, Weight};
use crate::listen::{self, ListenError};
use crate::site::{self, Examination, Examiner, Reason, Site, Verdict};
use crate::telemetry;

const READINESS: &str = "readiness";
const DAEMON: &str = "daemon";
const LISTEN: &str = "listen";

/// The daemon answers from memory.
const PATIENCE: Duration = Duration::from_secs(3);
/// Larger than any answer of the daemon.
const LONGEST_ANSWER: usize = 1 << 16;

/// Who runs the checks.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Asker {
    /// The command, beside a daemon that may run.
    Command,
    /// The daemon, which has its addresses.
    Daemon,
}

/// Whether `serve` would execute calls.
pub(super) async fn check(config: &Config) -> Finding {
    let site = match Site::new(config, Arc::new(Unobserved)) {
        Ok(site) => site,
        Err(error) => {
            let found = telemetry::chain(&error);
            return Finding::failed(READINESS, found, "correct the configuration");
        }
    };
    let has_files = config.wordpress.root.is_some();
    let mut examination = Examination::new(&site, Examiner::Check, has_files);
    let verdict = examination.examine(&site, Weight::Heavy).await;
    site.pool.close().await;
    match verdict {
        Verdict::Fit => Finding::ok(
            READINESS,
            "serve would execute calls: writing to the tables was tried, and rolled back",
        ),
        Verdict::Obstructed(_, reason) => failed(READINESS, reason),
        Verdict::Unclear => Finding::warning(
            READINESS,
            "another program's transaction was in the way of the attempt",
            "check again",
        ),
    }
}

fn failed(name: &'static str, Reason { what, remedy }: Reason) -> Finding {
    let passes = || "wait until it is over: it passes by itself".to_owned();
    Finding::failed(name, what, remedy.unwrap_or_else(passes))
}

/// The answer of `/readyz`.
#[derive(Deserialize)]
struct Health {
    status: String,
    site: Option<String>,
    reason: Option<String>,
    remedy: Option<String>,
}

/// What the daemon says, if one runs with this configuration; if none does, whether one could listen. What the daemon holds itself it
/// does not try.
pub(super) async fn daemon(config: &Config, tables: &TableNames, asker: Asker) -> [Finding; 2] {
    let place = &config.server.admin_listen;
    let health = match (ask(place).await, asker) {
        (Ok(health), _) => health,
        (Err(Unasked::NotAllowed), Asker::Command) => {
            let why = format!("this user may not open {place}, where one may listen");
            let unknown = "this user may not ask the daemon whether it has its addresses";
            return [
                Finding::skipped(DAEMON, why),
                Finding::skipped(LISTEN, unknown),
            ];
        }
        (Err(Unasked::NoAnswer), Asker::Command) => {
            let none = Finding::skipped(DAEMON, format!("none answers at {place}"));
            return [none, listen(&config.server)];
        }
        (Err(_), Asker::Daemon) => {
            let why = format!("the one that makes this report cannot ask itself at {place}");
            return [Finding::skipped(DAEMON, why), has_addresses()];
        }
    };
    let is_this = health.site.is_some() && health.site == site::fingerprint(config, tables);
    let finding = match health {
        Health { status, .. } if status == "ready" && is_this => {
            let what = match config.shadow.php {
                None => "executes calls",
                Some(_) => "compares the calls that PHP executes",
            };
            Finding::ok(DAEMON, format!("the one at {place} {what}"))
        }
        Health {
            status, site: None, ..
        } if status == "ready" => Finding::warning(
            DAEMON,
            format!(
                "the one at {place} does not say which tables it works on: it is of an older release"
            ),
            "restart it",
        ),
        Health { status, .. } if status == "ready" => Finding::failed(
            DAEMON,
            format!("the one at {place} works on other tables than this configuration names"),
            "restart it if it is this site's; each site's daemon needs addresses of its own (server.listen, \
             server.admin_listen)",
        ),
        Health { reason, remedy, .. } => {
            let what = reason.unwrap_or_else(|| "it does not say why".to_owned());
            let what = format!("the one at {place} executes no calls: {what}");
            failed(DAEMON, Reason { what, remedy })
        }
    };
    [finding, has_addresses()]
}

fn has_addresses() -> Finding {
    Finding::ok(LISTEN, "the daemon has its addresses")
}

/// Whether `serve` could have its addresses.
fn listen(server: &Server) -> Finding {
    let addresses = [
        ("server.listen", &server.listen),
        ("server.admin_listen", &server.admin_listen),
    ];
    let tried = addresses.into_iter().filter_map(|(key, address)| {
        let error = listen::rehearse(address).err()?;
        Some(ListenError::new(key, address, error))
    });
    let (unknown, failed): (Vec<_>, Vec<_>) = tried.partition(ListenError::is_of_service_manager);
    if let Some(error) = failed.first() {
        return Finding::failed(LISTEN, error.found(), error.remedy());
    }
    if let Some(error) = unknown.first() {
        let found = format!("this user {}", error.found());
        return Finding::warning(LISTEN, found, error.remedy());
    }
    Finding::ok(LISTEN, "server.listen and server.admin_listen are free")
}

async fn ask(place: &Listen) -> Result<Health, Unasked> {
    // Fails if a provider is already installed, which is just as good.
    let _ = rustls::crypto::ring::default_provider().install_default();
    let builder = Client::builder()
        .timeout(PATIENCE)
        .redirect(redirect::Policy::none())
        .no_proxy();
    let (builder, host) = match place {
        Listen::Tcp(address) => (builder, reachable(*address).to_string()),
        Listen::Unix(path) => (builder.unix_socket(path.as_path()), "localhost".to_owned()),
    };
    let client = builder.build().map_err(|error| Unasked::why(&error))?;
    let request = client.get(format!("http://{host}/readyz"));
    let mut answer = request.send().await.map_err(|error| Unasked::why(&error))?;
    let body = beginning(&mut answer, LONGEST_ANSWER).await;
    let body = body.map_err(|error| Unasked::why(&error))?;
    serde_json::from_slice(&body).map_err(|_| Unasked::NoAnswer)
}

/// Why the daemon does not say anything.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Unasked {
    /// Its socket is for others, such as the group of the console in wp-admin.
    NotAllowed,
    NoAnswer,
}

impl Unasked {
    fn why(error: &(dyn Error + 'static)) -> Self {
        let mut cause = Some(error);
        while let Some(error) = cause {
            let io = error.downcast_ref::<io::Error>();
            if io.is_some_and(|io| io.kind() == ErrorKind::PermissionDenied) {
                return Self::NotAllowed;
            }
            cause = error.source();
        }
        Self::NoAnswer
    }
}

/// An address that listens everywhere is reached at this machine.
fn reachable(mut address: SocketAddr) -> SocketAddr {
    if address.ip().is_unspecified() {
        address.set_ip(match address {
            SocketAddr::V4(_) => IpAddr::V4(Ipv4Addr::LOCALHOST),
            SocketAddr::V6(_) => IpAddr::V6(Ipv6Addr::LOCALHOST),
        });
    }
    address
}
