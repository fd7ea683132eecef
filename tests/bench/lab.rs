//! The side-by-side comparison.

use std::sync::Arc;
use std::time::Instant;

use sqlx::{Connection as _, Executor, MySqlConnection};

use crate::load::Pace;
use crate::measure::{Row, Run, Target};
use crate::processes::{self, Watched};
use crate::replay::Replay;
use crate::report::Report;
use crate::sidecar::Sidecar;
use crate::site::{self, Kind, Site};
use crate::wordpress::WordPress;
use crate::{Options, delay};

const KNOWN: &str = "known user";
const KNOWN_CEILING: &str = "known user, ceiling";
const MOVING: &str = "known user, 3 memberships change";
const NEW: &str = "new user with password";
const NEW_UNTOLD: &str = "new user without password";
const NEW_CEILING: &str = "new user, ceiling";
const WORDPRESS: &str = "WordPress creates a user";
/// Hooks are recorded, but nothing fires them.
const MOVING_RELAYED: &str = "known user, 3 memberships change, relay on";
const NEW_RELAYED: &str = "new user without password, relay on";

const RATIOS: [(&str, &str); 8] = [
    (MOVING_RELAYED, MOVING),
    (NEW_RELAYED, NEW_UNTOLD),
    (KNOWN, KNOWN_CEILING),
    (NEW, NEW_CEILING),
    (NEW_UNTOLD, NEW_CEILING),
    (NEW, WORDPRESS),
    (NEW_UNTOLD, WORDPRESS),
    (KNOWN, WORDPRESS),
];

/// Callers of an open loop: enough of them that it stays open.
const OPEN_CALLERS: usize = 256;
/// The share of the maximum throughput at which latency is measured.
const OPEN_LOAD: f64 = 0.5;
const OVERLOAD: f64 = 10.0;
const OVERLOAD_CALLERS: usize = 1024;
/// The number of callers beyond which additional ones only wait.
const SATURATING: usize = 32;

/// All servers and subjects of the comparison.
struct Lab {
    site: Site,
    sidecar: Sidecar,
    _relaying: Sidecar,
    watched: Watched,
    rows: Vec<Row>,
    _wordpress: Option<WordPress>,
}

/// Measures everything and prints it.
pub(crate) async fn run(options: &Options) -> anyhow::Result<()> {
    let started = Instant::now();
    let mut report = Report::default();
    println!("{}", report.machine()?);
    let lab = Lab::build(options, &mut report).await?;
    println!("Ready after {:.0} s.", started.elapsed().as_secs_f64());
    for repeat in 1..=options.repeats {
        println!("Round {repeat} of {} …", options.repeats);
        for callers in &options.connections {
            for row in &lab.rows {
                let run = row.measure(*callers, Pace::Closed, options.seconds).await?;
                report.add(&row.name, *callers, run);
            }
        }
    }
    let sidecar = lab.sidecar.process();
    report.fact("sidecar_memory_mb", processes::memory(sidecar, "VmRSS")?);
    report.fact(
        "sidecar_peak_memory_mb",
        processes::memory(sidecar, "VmHWM")?,
    );
    lab.latency(options, &mut report).await?;
    lab.distance(options, &mut report).await?;
    lab.overload(options, &mut report).await?;
    report.fact("load_average_at_end", processes::load_average());
    report.fact("seconds", started.elapsed().as_secs());

    let (ratios, json) = report.ratios(&RATIOS, &options.connections);
    println!("\n{}\n{ratios}", report.table());
    for (name, value) in &report.facts {
        println!("{name}: {value}");
    }
    report.write("bench.json", &json)
}

impl Lab {
    async fn build(options: &Options, report: &mut Report) -> anyhow::Result<Self> {
        let server = Arc::new(site::start_server().await?);
        let database = server.process_id().unwrap_or_default();
        let site = Site::fill(&server, options.users).await?;
        report.fact("users", options.users);
        let sidecar = Sidecar::start(&server.url(&site.database)).await?;
        let watched = Watched {
            servers: vec![sidecar.process()],
            database,
        };
        let relaying = "[relay]\nenabled = true";
        let relaying = Sidecar::start_with(&server.url(&site.database), relaying).await?;
        let watched_relay = Watched {
            servers: vec![relaying.process()],
            database,
        };
        let (address, relay_address) = (sidecar.address, relaying.address);
        let mut rows = Vec::new();
        for (name, kind, prefix, address, watched) in [
            (KNOWN, Kind::Known, "", address, &watched),
            (MOVING, Kind::Moving, "", address, &watched),
            (
                MOVING_RELAYED,
                Kind::Moving,
                "",
                relay_address,
                &watched_relay,
            ),
            (NEW, Kind::New { password: true }, "ann", address, &watched),
            (
                NEW_UNTOLD,
                Kind::New { password: false },
                "bob",
                address,
                &watched,
            ),
            (
                NEW_RELAYED,
                Kind::New { password: false },
                "joe",
                relay_address,
                &watched_relay,
            ),
        ] {
            let calls = kind.calls(address, site.users, prefix);
            rows.push(Row::calls(name, calls, watched));
        }
        share_numbers(&mut rows, MOVING_RELAYED, MOVING);
        let alone = Watched {
            servers: Vec::new(),
            database,
        };
        for (name, kind) in [
            (KNOWN_CEILING, Kind::Known),
            (NEW_CEILING, Kind::New { password: true }),
        ] {
            if !options.wants(name) {
                continue;
            }
            let replay = Replay::of(&site, kind, "eve").await?;
            report.fact(&format!("round trips of {name}"), replay.round_trips());
            rows.push(Row::new(
                name,
                Target::Replay(Arc::new(replay)),
                alone.clone(),
            ));
        }
        let wordpress = if options.wants(WORDPRESS) {
            let wordpress = WordPress::start(&server).await?;
            report.fact("wordpress", wordpress.version.clone());
            let watched = Watched {
                servers: wordpress.processes(),
                database,
            };
            rows.push(Row::calls(WORDPRESS, wordpress.calls("php"), &watched));
            Some(wordpress)
        } else {
            None
        };
        rows.retain(|row| options.wants(&row.name));
        Ok(Self {
            site,
            sidecar,
            _relaying: relaying,
            watched,
            rows,
            _wordpress: wordpress,
        })
    }

    fn row(&self, name: &str) -> Option<&Row> {
        self.rows.iter().find(|row| row.name == name)
    }

    /// Latency at a constant rate of half the maximum throughput.
    async fn latency(&self, options: &Options, report: &mut Report) -> anyhow::Result<()> {
        for name in [KNOWN, NEW] {
            let (Some(row), Some(most)) = (self.row(name), report.median(name, SATURATING)) else {
                continue;
            };
            let pace = Pace::Rate(most.per_second * OPEN_LOAD);
            let run = row.measure(OPEN_CALLERS, pace, options.seconds * 3.0);
            let run = run.await?;
            report.add(&format!("{name}, constant rate"), OPEN_CALLERS, run);
        }
        Ok(())
    }

    /// The database on another machine, with a round trip of one millisecond.
    async fn distance(&self, options: &Options, report: &mut Report) -> anyhow::Result<()> {
        if !options.wants(KNOWN) {
            return Ok(());
        }
        let direct = self.site.server.url(&self.site.database);
        let port = delay::start(self.site.server.port())?;
        let near = format!(":{}/", self.site.server.port());
        let distant = direct.replace(&near, &format!(":{port}/"));
        for (name, url) in [
            ("round_trip_ms", &direct),
            ("distant_round_trip_ms", &distant),
        ] {
            report.fact(name, round_trip(url).await?);
        }
        let sidecar = Sidecar::start(&distant).await?;
        let watched = Watched {
            servers: vec![sidecar.process()],
            ..self.watched.clone()
        };
        for (name, kind, prefix) in [
            (KNOWN, Kind::Known, ""),
            (NEW, Kind::New { password: true }, "far"),
        ] {
            let calls = kind.calls(sidecar.address, self.site.users, prefix);
            let row = Row::calls(&format!("{name}, database 1 ms away"), calls, &watched);
            for callers in [1, SATURATING] {
                for _ in 0..options.repeats {
                    let run = row.measure(callers, Pace::Closed, options.seconds).await?;
                    report.add(&row.name, callers, run);
                }
            }
        }
        Ok(())
    }

    /// Ten times as many calls as the daemon can carry out.
    async fn overload(&self, options: &Options, report: &mut Report) -> anyhow::Result<()> {
        let peak = options.connections.iter();
        let peak = peak.filter_map(|callers| report.median(KNOWN, *callers));
        let peak = peak.map(|run| run.per_second).fold(0.0, f64::max);
        let Some(row) = self.row(KNOWN).filter(|_| peak > 0.0) else {
            return Ok(());
        };
        let pace = Pace::Rate(peak * OVERLOAD);
        let run: Run = row
            .measure(OVERLOAD_CALLERS, pace, options.seconds * 2.0)
            .await?;
        report.add(&format!("{KNOWN}, overload"), OVERLOAD_CALLERS, run);
        report.fact("overload_goodput_over_peak", run.per_second / peak);
        report.fact("overload_refused_per_second", run.refused_per_second);
        report.fact("overload_p99_of_accepted_once_sent_ms", run.sent_p99);
        Ok(())
    }
}

/// Two rows that take turns with the same users: one that the first has moved needs no move by the second.
fn share_numbers(rows: &mut [Row], one: &str, other: &str) {
    let numbers = rows.iter().find(|row| row.name == other);
    let numbers = numbers.map(|row| Arc::clone(&row.numbers));
    if let (Some(row), Some(numbers)) = (rows.iter_mut().find(|row| row.name == one), numbers) {
        row.numbers = numbers;
    }
}

/// The milliseconds that a statement without effect takes.
async fn round_trip(url: &str) -> anyhow::Result<f64> {
    const TIMES: u32 = 200;
    let mut connection = MySqlConnection::connect(url).await?;
    let started = Instant::now();
    for _ in 0..TIMES {
        connection.execute("DO 0").await?;
    }
    Ok(started.elapsed().as_secs_f64() * 1000.0 / f64::from(TIMES))
}
