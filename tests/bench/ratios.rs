//! The file of ratios in the repository, and its comparison with an older one. Ratios of what was measured in the same run say more
//! about a change than absolute speeds: another machine, or a busy one, slows both sides.

use std::collections::BTreeMap;
use std::fmt::Write;
use std::path::Path;
use std::process::Command;

use anyhow::Context;
use serde::Deserialize;

/// Whether more is better.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "lowercase")]
pub(crate) enum Better {
    Higher,
    Lower,
}

/// A ratio and what it should be.
#[derive(Clone, Debug)]
pub(crate) struct Ratio {
    pub(crate) name: String,
    pub(crate) value: f64,
    pub(crate) goal: f64,
    pub(crate) better: Better,
}

impl Ratio {
    pub(crate) fn is_reached(&self) -> bool {
        match self.better {
            Better::Higher => self.value >= self.goal,
            Better::Lower => self.value <= self.goal,
        }
    }
}

/// Where and how they were measured.
pub(crate) struct Measured {
    pub(crate) machine: String,
    pub(crate) server: String,
    pub(crate) load_average: f64,
    pub(crate) seconds: f64,
    pub(crate) repeats: usize,
}

const HEAD: &str = "\
# What `make bench` measured last: ratios within one run, each with its goal. Written by it. `make bench-compare BASE=…` compares with
# another commit's file.
";

/// Writes the file.
pub(crate) fn write(file: &Path, measured: &Measured, ratios: &[Ratio]) -> anyhow::Result<()> {
    let mut text = String::from(HEAD);
    let Measured {
        machine,
        server,
        load_average,
        seconds,
        repeats,
    } = measured;
    let commit = commit();
    let _ = write!(
        text,
        "\n[measured]\ncommit = {commit:?}\nmachine = {machine:?}\nserver = {server:?}\nload_average_at_start = {load_average:?}\n\
         seconds = {seconds:?}\nrepeats = {repeats}\n"
    );
    for Ratio {
        name,
        value,
        goal,
        better,
    } in ratios
    {
        let better = match better {
            Better::Higher => "higher",
            Better::Lower => "lower",
        };
        let _ = write!(
            text,
            "\n[ratio.{name:?}]\nvalue = {value:.3}\ngoal = {goal:?}\nbetter = {better:?}\n"
        );
    }
    std::fs::write(file, text).with_context(|| format!("{} cannot be written", file.display()))
}

/// The checked-out commit, and whether the files differ from it.
fn commit() -> String {
    let git = Command::new("git")
        .args(["describe", "--always", "--dirty", "--exclude=*"])
        .current_dir(env!("CARGO_MANIFEST_DIR"))
        .output();
    let text = git.map(|git| String::from_utf8_lossy(&git.stdout).trim().to_owned());
    text.ok()
        .filter(|text| !text.is_empty())
        .unwrap_or_else(|| "unknown".to_owned())
}

/// The table for the report.
pub(crate) fn table(ratios: &[Ratio]) -> String {
    let mut table = String::from("| ratio | measured | goal | |\n| --- | ---: | ---: | --- |\n");
    for ratio in ratios {
        let sign = match ratio.better {
            Better::Higher => "≥",
            Better::Lower => "≤",
        };
        let missed = if ratio.is_reached() { "" } else { "MISSED" };
        let Ratio {
            name, value, goal, ..
        } = ratio;
        let _ = writeln!(table, "| {name} | {value:.2} | {sign} {goal} | {missed} |");
    }
    table
}

#[derive(Deserialize)]
struct File {
    measured: BTreeMap<String, String>,
    #[serde(default)]
    ratio: BTreeMap<String, Kept>,
}

#[derive(Deserialize)]
struct Kept {
    value: f64,
    better: Better,
}

/// Compares two files and prints every ratio. Returns whether none got worse by more than this share.
pub(crate) fn compare(base: &Path, new: &Path, tolerance: f64) -> anyhow::Result<bool> {
    let (base, new) = (read(base)?, read(new)?);
    for key in ["commit", "machine", "server"] {
        let of = |file: &File| file.measured.get(key).cloned().unwrap_or_default();
        println!("{key}: {} → {}", of(&base), of(&new));
    }
    let mut is_good = true;
    println!("\n| ratio | before | now | change | |\n| --- | ---: | ---: | ---: | --- |");
    for (name, before) in &base.ratio {
        let Some(now) = new.ratio.get(name) else {
            println!("| {name} | {:.2} | | | NOT MEASURED |", before.value);
            is_good = false;
            continue;
        };
        let change = now.value / before.value - 1.0;
        let loss = match before.better {
            Better::Higher => -change,
            Better::Lower => change,
        };
        let is_worse = loss.is_nan() || loss > tolerance;
        is_good &= !is_worse;
        let word = if is_worse { "WORSE" } else { "" };
        println!(
            "| {name} | {:.2} | {:.2} | {:+.0} % | {word} |",
            before.value,
            now.value,
            change * 100.0
        );
    }
    for (name, now) in new
        .ratio
        .iter()
        .filter(|(name, _)| !base.ratio.contains_key(*name))
    {
        println!("| {name} | | {:.2} | | new |", now.value);
    }
    Ok(is_good)
}

fn read(file: &Path) -> anyhow::Result<File> {
    let source = config::File::from(file).format(config::FileFormat::Toml);
    let settings = config::Config::builder().add_source(source).build();
    let read = settings.and_then(config::Config::try_deserialize);
    read.with_context(|| format!("{} is no file of ratios", file.display()))
}
