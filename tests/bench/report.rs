//! Reports the measurements as Markdown tables and as JSON.

use std::collections::BTreeMap;
use std::fmt::Write;
use std::path::Path;

use serde_json::{Value, json};

use crate::measure::{self, Run};
use crate::processes;
use crate::ratios::Ratio;

/// The share of the processors that may be busy before anything begins.
const MOST_BUSY: f64 = 0.05;
/// Processors that others may keep busy during a row; other daemons of the bench are idle, but not dead.
const MOST_OF_OTHERS: f64 = 0.1;

/// All runs of one row with one number of callers.
pub(crate) struct Result {
    pub(crate) row: String,
    pub(crate) callers: usize,
    pub(crate) runs: Vec<Run>,
}

/// All results, in the order in which they were measured.
#[derive(Default)]
pub(crate) struct Report {
    pub(crate) results: Vec<Result>,
    /// Results that belong to no row, by name.
    pub(crate) facts: Vec<(String, Value)>,
    samples: BTreeMap<String, Vec<f64>>,
}

impl Report {
    pub(crate) fn add(&mut self, row: &str, callers: usize, run: Run) {
        let is_same = |result: &&mut Result| result.row == row && result.callers == callers;
        match self.results.iter_mut().find(is_same) {
            Some(result) => result.runs.push(run),
            None => self.results.push(Result {
                row: row.to_owned(),
                callers,
                runs: vec![run],
            }),
        }
    }

    pub(crate) fn fact(&mut self, name: &str, value: impl Into<Value>) {
        self.facts.push((name.to_owned(), value.into()));
    }

    /// One of several measurements of a fact, which becomes their median.
    pub(crate) fn sample(&mut self, name: &str, value: f64) {
        let samples = self.samples.entry(name.to_owned()).or_default();
        samples.push(value);
        let median = measure::median(samples.iter().copied());
        self.facts.retain(|(fact, _)| fact != name);
        self.fact(name, median);
    }

    /// A number among the facts.
    pub(crate) fn number(&self, name: &str) -> Option<f64> {
        let (_, value) = self.facts.iter().find(|(fact, _)| fact == name)?;
        value.as_f64()
    }

    /// The medians of a row.
    pub(crate) fn median(&self, row: &str, callers: usize) -> Option<Run> {
        let result = self
            .results
            .iter()
            .find(|result| result.row == row && result.callers == callers)?;
        Some(Run::median(&result.runs))
    }

    pub(crate) fn table(&self) -> String {
        let mut table = String::from(
            "| row | callers | calls/s | p50 ms | p99 ms | p99.9 ms | CPU ms a call: server | database | callers | errors |\n\
             | --- | ---: | ---: | ---: | ---: | ---: | ---: | ---: | ---: | ---: |\n",
        );
        for Result { row, callers, runs } in &self.results {
            let run = Run::median(runs);
            let Run {
                per_second,
                p50,
                p99,
                p999,
                server_cpu,
                database_cpu,
                callers_cpu,
                errors,
                ..
            } = run;
            let _ = writeln!(
                table,
                "| {row} | {callers} | {per_second:.0} | {p50:.1} | {p99:.1} | {p999:.1} | {server_cpu:.2} | \
                 {database_cpu:.2} | {callers_cpu:.2} | {errors:.0} |"
            );
        }
        table
    }

    /// One row's value divided by another's: the median over the rounds, in each of which both were measured.
    pub(crate) fn ratio(
        &self,
        (over, over_callers): (&str, usize),
        (under, under_callers): (&str, usize),
        value: fn(&Run) -> f64,
    ) -> Option<f64> {
        let find = |row: &str, callers: usize| {
            let mut results = self.results.iter();
            results.find(|result| result.row == row && result.callers == callers)
        };
        let (over, under) = (find(over, over_callers)?, find(under, under_callers)?);
        let pairs = over.runs.iter().zip(&under.runs);
        let ratios = pairs.map(|(over, under)| value(over) / value(under));
        let ratio = measure::median(ratios);
        (ratio.is_finite() && ratio > 0.0).then_some(ratio)
    }

    /// Warns of rows during which other programs used the processors.
    pub(crate) fn disturbances(&self) -> Vec<String> {
        let disturbed = self.results.iter().filter_map(|result| {
            let others = Run::median(&result.runs).others_cpu;
            (others > MOST_OF_OTHERS).then(|| {
                format!(
                    "WARNING: other programs kept {others:.2} processors busy during \"{}\" with {} callers",
                    result.row, result.callers
                )
            })
        });
        disturbed.collect()
    }

    /// Writes the JSON into `target/`.
    pub(crate) fn write(&self, file: &str, ratios: &[Ratio]) -> anyhow::Result<()> {
        let rows: Vec<Value> = self
            .results
            .iter()
            .map(|Result { row, callers, runs }| {
                let all: Vec<Value> = runs.iter().map(Run::json).collect();
                json!({ "row": row, "callers": callers, "median": Run::median(runs).json(), "runs": all })
            })
            .collect();
        let facts: serde_json::Map<String, Value> = self.facts.iter().cloned().collect();
        let ratios: serde_json::Map<String, Value> = ratios
            .iter()
            .map(|ratio| (ratio.name.clone(), json!(ratio.value)))
            .collect();
        let report = json!({ "facts": facts, "rows": rows, "ratios": ratios });
        let file = Path::new(env!("CARGO_MANIFEST_DIR"))
            .join("target")
            .join(file);
        std::fs::write(&file, serde_json::to_string_pretty(&report)?)?;
        println!("\nAll numbers: {}", file.display());
        Ok(())
    }

    /// The machine, and how busy other processes keep it.
    pub(crate) async fn machine(&mut self) -> anyhow::Result<String> {
        let (processor, cores) = (
            processes::processor(),
            std::thread::available_parallelism()?.get(),
        );
        let load = processes::load_average();
        self.fact("processor", processor.clone());
        self.fact("cores", cores);
        let busy = processes::busy_share(cores as f64).await;
        self.fact("load_average_at_start", load);
        self.fact("busy_share_at_start", busy);
        let mut text = format!(
            "{cores} cores of {processor}, load average {load}, {:.0} % busy",
            busy * 100.0
        );
        if busy > MOST_BUSY {
            text.push_str(
                "\nWARNING: something else uses the processors. The figures will mean little.",
            );
        }
        Ok(text)
    }
}
