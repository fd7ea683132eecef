//! Long lists: one that is killed five times and goes on, once as on another machine, and one that is read in flat memory.

use std::collections::HashSet;
use std::sync::Arc;
use std::time::{Duration, Instant};

use anyhow::ensure;
use serde_json::Value;

use crate::Options;
use crate::import::{List, result};
use crate::processes;
use crate::report::Report;
use crate::sidecar::Sidecar;
use crate::site::{self, PLAIN_HOOK_ID, Site};

const KILLED: u64 = 50_000;
/// At these shares of the list's lines; the first is killed while it is read for the first time.
const KILLS: [f64; 5] = [0.0, 0.11, 0.29, 0.58, 0.93];
/// The kill after which another machine goes on.
const MOVES: usize = 2;
const LONG: u64 = 2_000_000;
/// In megabytes.
const MOST_MEMORY: f64 = 64.0;

/// Imports both and prints how.
pub(crate) async fn run(options: &Options) -> anyhow::Result<()> {
    println!("{}", Report::default().machine().await?);
    let server = Arc::new(site::start_server(&[]).await?);
    let site = Site::fill(&server, options.users, 4).await?;
    let sidecar = Sidecar::start(&server.url(&site.database)).await?;
    killed(&site, &sidecar).await?;
    long(&site, &sidecar).await?;
    println!("Load average at the end: {}", processes::load_average());
    Ok(())
}

async fn killed(site: &Site, sidecar: &Sidecar) -> anyhow::Result<()> {
    let users = site.number("SELECT COUNT(*) FROM wp_users").await?;
    let list = List::new("list", KILLED)?;
    let elsewhere = tempfile::tempdir()?;
    let copy = elsewhere.path().join("copy.csv");
    std::fs::copy(list.path(), &copy)?;
    let (began, mut memory) = (Instant::now(), 0.0_f64);
    let mut done = 0;
    for (round, share) in KILLS.into_iter().enumerate() {
        let mut import = if round == MOVES {
            list.import_copy(sidecar, &copy, &[])?
        } else {
            list.import(sidecar, &[])?
        };
        let until = (share * KILLED as f64).round();
        #[expect(
            clippy::cast_possible_truncation,
            clippy::cast_sign_loss,
            reason = "small and positive"
        )]
        let until = until as u64;
        if until == 0 {
            tokio::time::sleep(Duration::from_millis(100)).await;
        } else {
            import.has_done(site, until - done).await?;
            done = until;
        }
        memory = memory.max(import.peak_memory()?);
        drop(import);
        println!(
            "Killed at {until} lines after {:.0} s",
            began.elapsed().as_secs_f64()
        );
    }
    let (status, said, at_end) = list.import(sidecar, &[])?.end().await?;
    ensure!(status.success(), "{said}");
    let told: Value = serde_json::from_str(&said)?;
    println!("{}", told["summary"]);
    ensure!(told["summary"]["created"] == KILLED, "not all are members");

    let counted =
        "SELECT SUBSTRING_INDEX(SUBSTRING_INDEX(value, '\"running_count\";i:', -1), ';', 1)";
    let counted = format!("{counted} FROM wp_fcom_meta WHERE id = {PLAIN_HOOK_ID}");
    while site
        .number("SELECT COUNT(*) FROM wp_fcom_sidecar_runs WHERE tallied = 0")
        .await?
        > 0
    {
        tokio::time::sleep(Duration::from_millis(100)).await;
    }
    for (what, sql, expected) in [
        ("users", "SELECT COUNT(*) FROM wp_users", users + KILLED),
        (
            "addresses",
            "SELECT COUNT(DISTINCT user_email) FROM wp_users WHERE user_email LIKE 'list%@bench.example'",
            KILLED,
        ),
        ("runs", "SELECT COUNT(*) FROM wp_fcom_sidecar_runs", KILLED),
        ("the webhook's count", &counted, KILLED),
        ("claims", "SELECT COUNT(*) FROM wp_fcom_sidecar_claims", 0),
    ] {
        let number = site.number(sql).await?;
        ensure!(number == expected, "{what}: {number} instead of {expected}");
    }
    let result = result(&list.path().with_extension("result.csv"))?;
    let members: HashSet<&str> = result.iter().map(|line| &line[1]).collect();
    ensure!(result.len() as u64 == KILLED && members.len() as u64 == KILLED);
    ensure!(result.iter().all(|line| &line[3] == "created"));
    let memory = memory.max(at_end);
    ensure!(memory < MOST_MEMORY, "it occupied {memory:.0} MB");
    println!(
        "{KILLED} lines, killed five times, in {:.0} s: each member once, each run counted once, the result whole; {memory:.0} MB at most",
        began.elapsed().as_secs_f64()
    );
    Ok(())
}

async fn long(site: &Site, sidecar: &Sidecar) -> anyhow::Result<()> {
    let list = List::new("long", LONG)?;
    let began = Instant::now();
    let (status, said, memory) = list.import(sidecar, &["--check"])?.end().await?;
    ensure!(status.success(), "{said}");
    let told: Value = serde_json::from_str(&said)?;
    ensure!(told["new"] == LONG, "{said}");
    println!(
        "{LONG} lines read with --check in {:.0} s; {memory:.0} MB at most",
        began.elapsed().as_secs_f64()
    );
    ensure!(memory < MOST_MEMORY);
    let began = Instant::now();
    let mut import = list.import(sidecar, &[])?;
    import.has_done(site, 2000).await?;
    let memory = import.peak_memory()?;
    println!(
        "the same, and 2,000 of them carried out, in {:.0} s; {memory:.0} MB at most",
        began.elapsed().as_secs_f64()
    );
    ensure!(memory < MOST_MEMORY);
    Ok(())
}
