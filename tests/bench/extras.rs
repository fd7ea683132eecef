//! What is measured once the rows have had their rounds: latency at a constant rate, a distant database, overload, a crowd of calls for
//! one member, hashes, an import, and a backlog of hooks.

use std::time::Instant;

use fcom_sidecar::wordpress::password::{self, Scheme};
use sqlx::{Connection as _, Executor, MySqlConnection};

use crate::http::Calls;
use crate::lab::{KNOWN, Lab, NEW, NEW_RELAYED, SATURATING};
use crate::load::Pace;
use crate::measure::{self, Row, Run};
use crate::processes::{self, Watched};
use crate::report::Report;
use crate::sidecar::Sidecar;
use crate::site::{self, Kind};
use crate::{Options, delay, import, relay};

/// Callers of an open loop: enough of them that it stays open.
const OPEN_CALLERS: usize = 256;
/// The share of the maximum throughput at which latency is measured.
const OPEN_LOAD: f64 = 0.5;
const OVERLOAD: f64 = 10.0;
const OVERLOAD_CALLERS: usize = 1024;

pub(crate) const SAME: &str = "the same member";
/// Calls for other members, at a constant rate, with nothing else; beside callers with other members; beside callers with the
/// same member.
pub(crate) const OTHERS: &str = "other members";
pub(crate) const OTHERS_BESIDE_MANY: &str = "other members, beside 32 callers with any member";
pub(crate) const OTHERS_BESIDE_SAME: &str = "other members, beside 32 callers with the same member";
/// The share of the maximum throughput that calls for other members take.
const OTHERS_LOAD: f64 = 0.1;
const OTHERS_CALLERS: usize = 64;

pub(crate) const RELAY: &str = "relay";
pub(crate) const NO_BACKLOG: &str = "new user without password, no hooks wait";
pub(crate) const BACKLOG: &str = "new user without password, 100,000 hooks wait";
const WAITING: u64 = 100_000;

/// Names of facts from which ratios are made.
pub(crate) const HASH_ALONE: &str = "ms_per_hash_alone";
pub(crate) const HASH_UNDER_LOAD: &str = "ms_per_hash_under_load";
pub(crate) const MEMORY: &str = "peak_memory_mb_no_hooks_wait";
pub(crate) const MEMORY_WITH_BACKLOG: &str = "peak_memory_mb_100000_hooks_wait";

/// Measures all of it. What cannot be measured is named, and the rest goes on.
pub(crate) async fn measure(lab: &Lab, options: &Options, report: &mut Report) {
    println!("Latency …");
    tell("latency", latency(lab, options, report).await, report);
    println!("Distance …");
    tell("distance", distance(lab, options, report).await, report);
    println!("Overload …");
    tell("overload", overload(lab, options, report).await, report);
    println!("Crowd …");
    tell(SAME, crowd(lab, options, report).await, report);
    println!("Hashes …");
    tell("hashes", hashes(lab, options, report).await, report);
    println!("Relay …");
    tell(RELAY, relay::measure(lab, options, report).await, report);
    println!("Import …");
    tell(
        import::IMPORT,
        import::measure(lab, options, report).await,
        report,
    );
    println!("Backlog …");
    tell("backlog", backlog(lab, options, report).await, report);
}

/// Names what could not be measured.
pub(crate) fn tell(what: &str, result: anyhow::Result<()>, report: &mut Report) {
    if let Err(error) = result {
        println!("NOT MEASURED: {what}: {error:#}");
        report.fact(&format!("{what} was not measured"), format!("{error:#}"));
    }
}

/// Latency at a constant rate of half the maximum throughput.
async fn latency(lab: &Lab, options: &Options, report: &mut Report) -> anyhow::Result<()> {
    for name in [KNOWN, NEW] {
        let (Some(row), Some(most)) = (lab.row(name), report.median(name, SATURATING)) else {
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
async fn distance(lab: &Lab, options: &Options, report: &mut Report) -> anyhow::Result<()> {
    if !options.wants(KNOWN) {
        return Ok(());
    }
    let direct = lab.site.server.url(&lab.site.database);
    let port = delay::start(lab.site.server.port())?;
    let near = format!(":{}/", lab.site.server.port());
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
        ..lab.watched.clone()
    };
    for (name, kind, prefix) in [
        (KNOWN, Kind::Known, ""),
        (NEW, Kind::New { password: true }, "far"),
    ] {
        let calls = kind.calls(sidecar.address, lab.site.users, prefix);
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
async fn overload(lab: &Lab, options: &Options, report: &mut Report) -> anyhow::Result<()> {
    let peak = options.connections.iter();
    let peak = peak.filter_map(|callers| report.median(KNOWN, *callers));
    let peak = peak.map(|run| run.per_second).fold(0.0, f64::max);
    let Some(row) = lab.row(KNOWN).filter(|_| peak > 0.0) else {
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

/// Many callers retry calls for one member: the others must not wait behind them.
async fn crowd(lab: &Lab, options: &Options, report: &mut Report) -> anyhow::Result<()> {
    let (Some(known), Some(most)) = (lab.row(KNOWN), report.median(KNOWN, SATURATING)) else {
        return Ok(());
    };
    let request = site::request(Kind::Known.key(), &site::known_form(&site::name(1)));
    let calls = Calls {
        address: lab.sidecar.address,
        request: std::sync::Arc::new(move |_| request.clone()),
        success: 200,
    };
    let same = Row::calls(SAME, calls, &lab.watched);
    let pace = Pace::Rate(most.per_second * OTHERS_LOAD);
    let seconds = options.seconds * 2.0;
    for _ in 0..options.repeats {
        let run = known.measure(OTHERS_CALLERS, pace, seconds).await?;
        report.add(OTHERS, OTHERS_CALLERS, run);
        for (crowd, name) in [(known, OTHERS_BESIDE_MANY), (&same, OTHERS_BESIDE_SAME)] {
            let (beside, run) = tokio::try_join!(
                crowd.measure(SATURATING, Pace::Closed, seconds),
                known.measure(OTHERS_CALLERS, pace, seconds),
            )?;
            report.add(name, OTHERS_CALLERS, run);
            if name == OTHERS_BESIDE_SAME {
                report.add(SAME, SATURATING, beside);
            }
        }
    }
    Ok(())
}

/// One hash alone, and in the daemon while it has as much to do as it can.
async fn hashes(lab: &Lab, options: &Options, report: &mut Report) -> anyhow::Result<()> {
    const TIMES: usize = 51;
    let Some(row) = lab.row(NEW) else {
        return Ok(());
    };
    let times = (0..TIMES).map(|_| {
        let began = Instant::now();
        let hash = password::hash(b"correct horse battery", Scheme::Phpass);
        std::hint::black_box(hash).map(|_| began.elapsed().as_secs_f64() * 1000.0)
    });
    let times: Vec<f64> = times.collect::<Result<_, _>>()?;
    report.fact(HASH_ALONE, measure::median(times.into_iter()));
    let read = async || -> anyhow::Result<(f64, f64)> {
        const NAME: &str = "fcom_sidecar_password_hash_duration_seconds";
        let sidecar = &lab.sidecar;
        Ok((
            sidecar.metric(&format!("{NAME}_sum")).await?,
            sidecar.metric(&format!("{NAME}_count")).await?,
        ))
    };
    let before = read().await?;
    let run = row
        .measure(SATURATING, Pace::Closed, options.seconds)
        .await?;
    let after = read().await?;
    let hashed = after.1 - before.1;
    anyhow::ensure!(hashed > 0.0, "nothing was hashed");
    report.fact(HASH_UNDER_LOAD, (after.0 - before.0) * 1000.0 / hashed);
    report.fact("hashes_per_second_under_load", run.per_second);
    Ok(())
}

/// Memory and speed while many hooks wait for WordPress.
async fn backlog(lab: &Lab, options: &Options, report: &mut Report) -> anyhow::Result<()> {
    if lab.row(NEW_RELAYED).is_none() {
        return Ok(());
    }
    let waiting = format!(
        "INSERT INTO wp_fcom_sidecar_events (user_id, kind, state, due_at, created_at) \
         SELECT 100001 + seq MOD {}, 'user_register', 'pending', UTC_TIMESTAMP(3), UTC_TIMESTAMP(3) FROM seq_1_to_{WAITING}",
        lab.site.users
    );
    for repeat in 0..options.repeats {
        for (name, fact, fill, prefix) in [
            (NO_BACKLOG, MEMORY, None, "none"),
            (BACKLOG, MEMORY_WITH_BACKLOG, Some(&waiting), "many"),
        ] {
            lab.site
                .execute("DELETE FROM wp_fcom_sidecar_events")
                .await?;
            if let Some(fill) = fill {
                lab.site.execute(fill).await?;
            }
            let url = lab.site.server.url(&lab.site.database);
            let sidecar = Sidecar::start_with(&url, "[relay]\nenabled = true").await?;
            let watched = Watched {
                servers: vec![sidecar.process()],
                ..lab.watched.clone()
            };
            let prefix = format!("{prefix}{repeat}x");
            let calls =
                Kind::New { password: false }.calls(sidecar.address, lab.site.users, &prefix);
            let row = Row::calls(name, calls, &watched);
            let run = row
                .measure(SATURATING, Pace::Closed, options.seconds)
                .await?;
            report.add(name, SATURATING, run);
            report.sample(fact, processes::memory(sidecar.process(), "VmHWM")?);
        }
    }
    Ok(())
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
