//! Reports the measurements as Markdown tables and as JSON.

use std::fmt::Write;
use std::path::Path;

use serde_json::{Value, json};

use crate::measure::Run;
use crate::processes;

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

    /// The throughput of one row divided by that of another, for each number of callers.
    pub(crate) fn ratios(&self, pairs: &[(&str, &str)], callers: &[usize]) -> (String, Value) {
        let mut table = String::from("| calls/s of … over …, callers: |");
        for callers in callers {
            let _ = write!(table, " {callers} |");
        }
        let _ = write!(table, "\n| --- |{}\n", " ---: |".repeat(callers.len()));
        let mut json = serde_json::Map::new();
        for (over, under) in pairs {
            let ratios: Vec<Option<f64>> = callers
                .iter()
                .map(|callers| {
                    let (over, under) =
                        (self.median(over, *callers)?, self.median(under, *callers)?);
                    Some(over.per_second / under.per_second)
                })
                .collect();
            if ratios.iter().all(Option::is_none) {
                continue;
            }
            let _ = write!(table, "| {over} / {under} |");
            for ratio in &ratios {
                let _ = match ratio {
                    Some(ratio) => write!(table, " {ratio:.2} |"),
                    None => write!(table, " |"),
                };
            }
            table.push('\n');
            json.insert(format!("{over} / {under}"), json!(ratios));
        }
        (table, Value::Object(json))
    }

    /// Writes the JSON into `target/`.
    pub(crate) fn write(&self, file: &str, ratios: &Value) -> anyhow::Result<()> {
        let rows: Vec<Value> = self
            .results
            .iter()
            .map(|Result { row, callers, runs }| {
                let all: Vec<Value> = runs.iter().map(Run::json).collect();
                json!({ "row": row, "callers": callers, "median": Run::median(runs).json(), "runs": all })
            })
            .collect();
        let facts: serde_json::Map<String, Value> = self.facts.iter().cloned().collect();
        let report = json!({ "facts": facts, "rows": rows, "ratios": ratios });
        let file = Path::new(env!("CARGO_MANIFEST_DIR"))
            .join("target")
            .join(file);
        std::fs::write(&file, serde_json::to_string_pretty(&report)?)?;
        println!("\nAll numbers: {}", file.display());
        Ok(())
    }

    /// The machine, and how busy other processes keep it.
    pub(crate) fn machine(&mut self) -> anyhow::Result<String> {
        let (processor, cores) = (
            processes::processor(),
            std::thread::available_parallelism()?.get(),
        );
        let load = processes::load_average();
        self.fact("processor", processor.clone());
        self.fact("cores", cores);
        self.fact("load_average_at_start", load);
        Ok(format!("{cores} cores of {processor}, load average {load}"))
    }
}
