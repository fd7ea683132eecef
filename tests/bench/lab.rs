//! The side-by-side comparison.

use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Instant;

use crate::least::Least;
use crate::load::Pace;
use crate::measure::{Row, Target};
use crate::processes::{self, Watched};
use crate::ratios::{self, Measured};
use crate::replay::Replay;
use crate::report::Report;
use crate::sidecar::Sidecar;
use crate::site::{self, Kind, Site};
use crate::wordpress::WordPress;
use crate::{Options, extras, goals};

pub(crate) const KNOWN: &str = "known user";
const KNOWN_CEILING: &str = "known user, ceiling";
pub(crate) const KNOWN_LEAST: &str = "known user, least client";
pub(crate) const MEMBER: &str = "known member of three spaces";
pub(crate) const MOVING: &str = "known user, 3 memberships change";
pub(crate) const NEW: &str = "new user with password";
pub(crate) const NEW_UNTOLD: &str = "new user without password";
const NEW_CEILING: &str = "new user, ceiling";
pub(crate) const NEW_LEAST: &str = "new user, least client";
pub(crate) const NEW_MEMBER: &str = "new member of three spaces";
pub(crate) const NEW_MEMBER_LEAST: &str = "new member of three spaces, least client";
const WORDPRESS: &str = "WordPress creates a user";
/// Hooks are recorded, but nothing fires them.
pub(crate) const MOVING_RELAYED: &str = "known user, 3 memberships change, relay on";
pub(crate) const NEW_RELAYED: &str = "new user without password, relay on";

/// The order of the rows in a round.
const ORDER: [&str; 14] = [
    KNOWN_LEAST,
    KNOWN,
    MEMBER,
    KNOWN_CEILING,
    MOVING,
    MOVING_RELAYED,
    NEW_LEAST,
    NEW_UNTOLD,
    NEW_RELAYED,
    NEW_MEMBER_LEAST,
    NEW_MEMBER,
    NEW_CEILING,
    NEW,
    WORDPRESS,
];

/// The number of callers beyond which additional ones only wait.
pub(crate) const SATURATING: usize = 32;

/// Of each user.
const MEMBERSHIPS: u64 = 4;
const SERVER: [&str; 2] = [
    "--innodb-buffer-pool-size=256M",
    "--innodb-log-file-size=256M",
];

/// All servers and subjects of the comparison.
pub(crate) struct Lab {
    pub(crate) site: Site,
    pub(crate) sidecar: Sidecar,
    _relaying: Sidecar,
    pub(crate) watched: Watched,
    pub(crate) rows: Vec<Row>,
    pub(crate) wordpress: Option<WordPress>,
}

/// Measures everything, prints it and writes the ratios.
pub(crate) async fn run(options: &Options) -> anyhow::Result<()> {
    let started = Instant::now();
    let mut report = Report::default();
    let machine = report.machine().await?;
    let load_average = processes::load_average();
    println!("{machine}");
    let lab = Lab::build(options, &mut report).await?;
    println!("Ready after {:.0} s.", started.elapsed().as_secs_f64());
    for repeat in 1..=options.repeats {
        println!("Round {repeat} of {} …", options.repeats);
        for callers in &options.connections {
            for row in lab.rows.iter().filter(|row| *callers <= row.most_callers) {
                match row.measure(*callers, Pace::Closed, options.seconds).await {
                    Ok(run) => report.add(&row.name, *callers, run),
                    Err(error) => extras::tell(&row.name, Err(error), &mut report),
                }
            }
        }
    }
    let sidecar = lab.sidecar.process();
    report.fact("sidecar_memory_mb", processes::memory(sidecar, "VmRSS")?);
    report.fact(
        "sidecar_peak_memory_mb",
        processes::memory(sidecar, "VmHWM")?,
    );
    extras::measure(&lab, options, &mut report).await;
    report.fact("load_average_at_end", processes::load_average());
    report.fact("seconds", started.elapsed().as_secs());

    let ratios = goals::ratios(&report);
    println!("\n{}\n{}", report.table(), ratios::table(&ratios));
    println!("{}", goals::beside_php(&report));
    for (name, value) in &report.facts {
        println!("{name}: {value}");
    }
    for warning in report.disturbances() {
        println!("{warning}");
    }
    report.write("bench.json", &ratios)?;
    let file = options.ratios_file();
    let measured = Measured {
        machine: machine.lines().next().unwrap_or_default().to_owned(),
        server: site::version(&lab.site.server).await?,
        load_average,
        seconds: options.seconds,
        repeats: options.repeats,
    };
    ratios::write(&file, &measured, &ratios)?;
    println!("Ratios: {}", file.display());
    Ok(())
}

impl Lab {
    async fn build(options: &Options, report: &mut Report) -> anyhow::Result<Self> {
        let server = Arc::new(site::start_server(&SERVER.map(str::to_owned)).await?);
        let database = server.process_id().unwrap_or_default();
        println!("Filling a site with {} users …", options.users);
        let site = Site::fill(&server, options.users, MEMBERSHIPS).await?;
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
            (MEMBER, Kind::Member, "", address, &watched),
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
            (NEW_MEMBER, Kind::NewMember, "kim", address, &watched),
        ] {
            let calls = kind.calls(address, site.users, prefix);
            let row = Row::calls(name, calls, watched);
            rows.push(match name {
                KNOWN | NEW | NEW_UNTOLD => row,
                _ => row.up_to(SATURATING),
            });
        }
        share_numbers(&mut rows, MOVING_RELAYED, MOVING);
        rows.extend(bare_clients(&site, options, address, database, report).await?);
        let missing = WordPress::missing();
        let wordpress = if !missing.is_empty() {
            println!(
                "WARNING: no WordPress, for want of {}: two rows are left out",
                missing.join(", ")
            );
            report.fact("without WordPress, for want of", missing.join(", "));
            None
        } else if options.wants(WORDPRESS) || options.wants(extras::RELAY) {
            let wordpress = WordPress::start(&server).await?;
            report.fact("wordpress", wordpress.version.clone());
            let watched = Watched {
                servers: wordpress.processes(),
                database,
            };
            rows.push(Row::calls(WORDPRESS, wordpress.calls("php"), &watched).up_to(SATURATING));
            Some(wordpress)
        } else {
            None
        };
        // The ceilings have moved the counters of tables.
        sidecar.wait().await?;
        relaying.wait().await?;
        rows.retain(|row| options.wants(&row.name));
        // What is compared is measured directly after each other.
        rows.sort_by_key(|row| ORDER.iter().position(|name| *name == row.name));
        Ok(Self {
            site,
            sidecar,
            _relaying: relaying,
            watched,
            rows,
            wordpress,
        })
    }

    pub(crate) fn row(&self, name: &str) -> Option<&Row> {
        self.rows.iter().find(|row| row.name == name)
    }
}

/// The least clients, and the ceilings, which replay the daemon's statements.
async fn bare_clients(
    site: &Site,
    options: &Options,
    address: SocketAddr,
    database: u32,
    report: &mut Report,
) -> anyhow::Result<Vec<Row>> {
    let mut rows = Vec::new();
    let alone = Watched {
        servers: Vec::new(),
        database,
    };
    for (name, kind, prefix) in [
        (KNOWN_LEAST, Kind::Known, ""),
        (NEW_LEAST, Kind::New { password: false }, "liz"),
        (NEW_MEMBER_LEAST, Kind::NewMember, "lou"),
    ] {
        if options.wants(name) {
            match Least::of(site, kind, address, prefix).await {
                Ok(least) => {
                    let row = Row::new(name, Target::Least(Arc::new(least)), alone.clone());
                    rows.push(row.up_to(SATURATING));
                }
                Err(error) => extras::tell(name, Err(error), report),
            }
        }
    }
    for (name, kind) in [
        (KNOWN_CEILING, Kind::Known),
        (NEW_CEILING, Kind::New { password: true }),
    ] {
        if !options.wants(name) {
            continue;
        }
        // What the daemon examines every few seconds may have come in between.
        match Replay::of(site, kind, "eve").await {
            Ok(replay) => {
                report.fact(&format!("round trips of {name}"), replay.round_trips());
                let row = Row::new(name, Target::Replay(Arc::new(replay)), alone.clone());
                rows.push(row.up_to(SATURATING));
            }
            Err(error) => extras::tell(name, Err(error), report),
        }
    }
    Ok(rows)
}

/// Two rows that take turns with the same users: one that the first has moved needs no move by the second.
fn share_numbers(rows: &mut [Row], one: &str, other: &str) {
    let numbers = rows.iter().find(|row| row.name == other);
    let numbers = numbers.map(|row| Arc::clone(&row.numbers));
    if let (Some(row), Some(numbers)) = (rows.iter_mut().find(|row| row.name == one), numbers) {
        row.numbers = numbers;
    }
}
