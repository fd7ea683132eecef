//! Sites of different sizes: the cost of a call must not depend on the number of users.

use std::sync::Arc;
use std::time::Instant;

use crate::Options;
use crate::load::Pace;
use crate::measure::Row;
use crate::processes::{self, Watched};
use crate::report::Report;
use crate::sidecar::Sidecar;
use crate::site::{self, Kind, Site};

const CALLERS: usize = 32;
const KINDS: [(&str, Kind); 2] = [
    ("known user", Kind::Known),
    ("new user without password", Kind::New { password: false }),
];

/// Measures everything and prints it.
pub(crate) async fn run(options: &Options) -> anyhow::Result<()> {
    let mut report = Report::default();
    println!("{}", report.machine()?);
    let server = Arc::new(site::start_server().await?);
    let database = server.process_id().unwrap_or_default();
    let (mut rows, mut sidecars) = (Vec::new(), Vec::new());
    for size in &options.sizes {
        let started = Instant::now();
        let site = Site::fill(&server, *size).await?;
        println!("{size} users: {:.0} s", started.elapsed().as_secs_f64());
        let sidecar = Sidecar::start(&server.url(&site.database)).await?;
        let watched = Watched {
            servers: vec![sidecar.process()],
            database,
        };
        for (name, kind) in KINDS {
            let calls = kind.calls(sidecar.address, *size, "bob");
            rows.push(Row::calls(&row_name(name, *size), calls, &watched));
        }
        sidecars.push((site, sidecar));
    }
    for repeat in 1..=options.repeats {
        println!("Round {repeat} of {} …", options.repeats);
        for row in &rows {
            let run = row.measure(CALLERS, Pace::Closed, options.seconds).await?;
            report.add(&row.name, CALLERS, run);
        }
    }
    report.fact("load_average_at_end", processes::load_average());
    let names: Vec<(String, String)> = options.sizes[1..]
        .iter()
        .flat_map(|size| {
            KINDS.map(|(name, _)| (row_name(name, *size), row_name(name, options.sizes[0])))
        })
        .collect();
    let pairs: Vec<(&str, &str)> = names.iter().map(|(a, b)| (&**a, &**b)).collect();
    let (ratios, json) = report.ratios(&pairs, &[CALLERS]);
    println!("\n{}\n{ratios}", report.table());
    report.write("bench-scale.json", &json)
}

fn row_name(name: &str, size: u64) -> String {
    format!("{name}, site of {size}")
}
