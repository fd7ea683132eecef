//! Sites of different sizes: neither a call, nor a start, nor what operators read may cost more with more users. Each user has ten
//! memberships and ten runs, a mail and an event.
//!
//! All sites are on one server and measured in turns. Its buffer pool has half of the machine's memory, so that a large site is not
//! measured against the disk.

use std::fmt::Write;
use std::sync::Arc;
use std::time::{Duration, Instant};

use anyhow::{Context, ensure};

use crate::lab::{KNOWN_LEAST, NEW_LEAST};
use crate::least::Least;
use crate::load::Pace;
use crate::measure::{Row, Run, Target};
use crate::processes::{self, Watched};
use crate::ratios::{self, Better, Ratio};
use crate::report::Report;
use crate::sidecar::Sidecar;
use crate::site::{self, Kind, Site};
use crate::{Options, reading};

const CALLERS: usize = 32;
const MEMBERSHIPS: u64 = 10;
const KINDS: [(&str, Kind); 4] = [
    ("known user", Kind::Known),
    ("known member of three spaces", Kind::Member),
    ("new user without password", Kind::New { password: false }),
    ("new member of three spaces", Kind::NewMember),
];
/// The least that any implementation needs: what these lose on a large site is the server's.
const LEAST: [(&str, Kind); 2] = [
    (KNOWN_LEAST, Kind::Known),
    (NEW_LEAST, Kind::New { password: false }),
];
/// Of the smallest site's calls a second.
const LEAST_RATE: f64 = 0.95;
/// Times the smallest site's.
const MOST_P99: f64 = 1.2;
const MOST_READY: Duration = Duration::from_millis(300);
/// For what operators read.
const MOST_READING: f64 = 100.0;
/// How long the server may take to write what was loaded.
const PATIENCE: Duration = Duration::from_mins(5);

/// A site and the daemon that serves it.
struct Place {
    site: Site,
    sidecar: Sidecar,
    rows: Vec<Row>,
}

/// Measures everything and prints it.
pub(crate) async fn run(options: &Options) -> anyhow::Result<()> {
    let started = Instant::now();
    let mut report = Report::default();
    println!("{}", report.machine().await?);
    let server = Arc::new(site::start_server(&server_arguments()).await?);
    let version = site::version(&server).await?;
    println!("Server {version}");
    report.fact("server", version);
    ensure!(!options.sizes.is_empty(), "there are no sizes");
    let mut sites = Vec::new();
    for size in &options.sizes {
        sites.push(fill(&server, *size).await?);
    }
    settle(&sites[0]).await?;
    let mut places = Vec::new();
    for site in sites {
        places.push(start(site, options, &mut report).await?);
    }
    for repeat in 1..=options.repeats {
        println!("Round {repeat} of {} …", options.repeats);
        for kind in 0..KINDS.len() + LEAST.len() {
            for place in &places {
                let row = &place.rows[kind];
                match row.measure(CALLERS, Pace::Closed, options.seconds).await {
                    Ok(run) => report.add(&row.name, CALLERS, run),
                    Err(error) => println!("NOT MEASURED: {}: {error:#}", row.name),
                }
            }
        }
    }
    println!("What operators read …");
    let mut readings = Vec::new();
    for Place { site, sidecar, .. } in &places {
        readings.push(reading::measure(site, sidecar).await);
    }
    report.fact("load_average_at_end", processes::load_average());
    report.fact("seconds", started.elapsed().as_secs());
    let ratios = compared(&options.sizes, &report);
    println!("\n{}\n{}", report.table(), ratios::table(&ratios));
    println!("{}", ready(&options.sizes, &report));
    println!("{}", table(&options.sizes, &readings));
    for (name, value) in &report.facts {
        println!("{name}: {value}");
    }
    for warning in report.disturbances() {
        println!("{warning}");
    }
    report.write("bench-scale.json", &ratios)
}

fn server_arguments() -> Vec<String> {
    let megabytes = processes::machine_memory() / 2.0;
    let temporary = concat!(env!("CARGO_MANIFEST_DIR"), "/target/bench");
    vec![
        format!("--innodb-buffer-pool-size={megabytes:.0}M"),
        "--innodb-log-file-size=2G".to_owned(),
        format!("--tmpdir={temporary}"),
    ]
}

async fn fill(server: &Arc<site::Server>, users: u64) -> anyhow::Result<Site> {
    let began = Instant::now();
    println!("Filling a site of {users} users …");
    let site = Site::fill(server, users, MEMBERSHIPS).await?;
    println!("… users after {:.0} s", began.elapsed().as_secs_f64());
    // It creates its tables.
    drop(Sidecar::start(&server.url(&site.database)).await?);
    site.fill_history().await?;
    println!("… all after {:.0} s", began.elapsed().as_secs_f64());
    Ok(site)
}

/// Waits until the server has written what was loaded, so that it does not do so during a measurement.
async fn settle(site: &Site) -> anyhow::Result<()> {
    const DIRTY: &str = "SELECT variable_value FROM information_schema.global_status \
        WHERE variable_name = 'Innodb_buffer_pool_pages_dirty'";
    const ENOUGH: u64 = 1000;
    println!("The server writes what was loaded …");
    let dirty = |share: f64| {
        format!(
            "SET GLOBAL innodb_max_dirty_pages_pct_lwm = {share}, innodb_max_dirty_pages_pct = {share}"
        )
    };
    site.execute(&dirty(0.0)).await?;
    let deadline = Instant::now() + PATIENCE;
    while site.number(DIRTY).await? > ENOUGH && Instant::now() < deadline {
        tokio::time::sleep(Duration::from_millis(500)).await;
    }
    site.execute("SET GLOBAL innodb_max_dirty_pages_pct = 90, innodb_max_dirty_pages_pct_lwm = 0")
        .await
}

/// Starts the daemon as often as is measured; the last one stays.
async fn start(site: Site, options: &Options, report: &mut Report) -> anyhow::Result<Place> {
    let url = site.server.url(&site.database);
    let mut sidecar = None;
    for _ in 0..options.repeats.max(1) {
        drop(sidecar.take());
        let started = Sidecar::start(&url).await?;
        report.sample(&ready_name(site.users), started.ready_after.as_secs_f64());
        sidecar = Some(started);
    }
    let sidecar = sidecar.context("nothing was started")?;
    let watched = Watched {
        servers: vec![sidecar.process()],
        database: site.server.process_id().unwrap_or_default(),
    };
    let rows = KINDS.iter().enumerate().map(|(index, (name, kind))| {
        let calls = kind.calls(sidecar.address, site.users, &format!("new{index}x"));
        Row::calls(&row_name(name, site.users), calls, &watched)
    });
    let mut rows: Vec<Row> = rows.collect();
    let alone = Watched {
        servers: Vec::new(),
        database: watched.database,
    };
    for (name, kind) in LEAST {
        let least = Least::of(&site, kind, sidecar.address, "liz").await?;
        let target = Target::Least(Arc::new(least));
        rows.push(Row::new(&row_name(name, site.users), target, alone.clone()));
    }
    Ok(Place {
        site,
        sidecar,
        rows,
    })
}

/// What of a row is compared, its goal, and whether more is better.
type Part = (&'static str, fn(&Run) -> f64, f64, Better);

fn compared(sizes: &[u64], report: &Report) -> Vec<Ratio> {
    let mut all = Vec::new();
    let smallest = sizes[0];
    for size in &sizes[1..] {
        for (name, _) in KINDS.into_iter().chain(LEAST) {
            let (over, under) = (row_name(name, *size), row_name(name, smallest));
            let parts: [Part; 2] = [
                ("calls/s", |run| run.per_second, LEAST_RATE, Better::Higher),
                ("p99", |run| run.p99, MOST_P99, Better::Lower),
            ];
            for (what, value, goal, better) in parts {
                if let Some(value) = report.ratio((&over, CALLERS), (&under, CALLERS), value) {
                    all.push(Ratio {
                        name: format!("{what}: {over} / of {smallest}"),
                        value,
                        goal,
                        better,
                    });
                }
            }
        }
    }
    all
}

fn ready(sizes: &[u64], report: &Report) -> String {
    let mut table =
        String::from("| users | from start to ready, s | goal | |\n| ---: | ---: | ---: | --- |\n");
    for size in sizes {
        let Some(seconds) = report.number(&ready_name(*size)) else {
            continue;
        };
        let goal = MOST_READY.as_secs_f64();
        let missed = if seconds > goal { "MISSED" } else { "" };
        let _ = writeln!(table, "| {size} | {seconds:.2} | ≤ {goal} | {missed} |");
    }
    table
}

/// Times of what operators read, by size, and the names of those that take too long.
fn table(sizes: &[u64], readings: &[Vec<reading::Reading>]) -> String {
    let mut table = String::from("| read by operators, ms; users: |");
    for size in sizes {
        let _ = write!(table, " {size} |");
    }
    let _ = write!(
        table,
        " |\n| --- |{} --- |\n",
        " ---: |".repeat(sizes.len())
    );
    let mut slow = Vec::new();
    let names = readings
        .first()
        .into_iter()
        .flatten()
        .map(|reading| reading.name.as_str());
    for (index, name) in names.enumerate() {
        let _ = write!(table, "| `{name}` |");
        let mut words = None;
        for reading in readings.iter().filter_map(|all| all.get(index)) {
            match &reading.milliseconds {
                Ok(time) => {
                    let _ = write!(table, " {time:.0} |");
                    if *time > MOST_READING {
                        words = Some("SLOW".to_owned());
                    }
                }
                Err(error) => {
                    let _ = write!(table, " |");
                    words = Some(format!("NOT MEASURED: {error:#}"));
                }
            }
        }
        let words = words.unwrap_or_default();
        let _ = writeln!(table, " {words} |");
        if words == "SLOW" {
            slow.push(name);
        }
    }
    let _ = match slow.as_slice() {
        [] => writeln!(table, "\nNothing takes more than {MOST_READING} ms."),
        slow => writeln!(table, "\nMore than {MOST_READING} ms: {}", slow.join(", ")),
    };
    table
}

fn row_name(name: &str, size: u64) -> String {
    format!("{name}, site of {size}")
}

fn ready_name(size: u64) -> String {
    format!("seconds_to_ready_{size}_users")
}
