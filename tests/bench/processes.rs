//! Processor time and memory of processes, from `/proc`.

use std::fs;

use anyhow::Context;

/// The unit of processor time in `/proc` on every Linux.
const TICKS_PER_SECOND: f64 = 100.0;

/// Processor time used so far, in seconds.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct Cpu {
    pub(crate) server: f64,
    pub(crate) database: f64,
    /// This program: the callers, and the statements of a ceiling.
    pub(crate) callers: f64,
    /// All programs of the machine.
    pub(crate) machine: f64,
}

/// The processes to watch.
#[derive(Clone, Debug)]
pub(crate) struct Watched {
    /// Counted with their children. Empty for the ceiling, which has no server.
    pub(crate) servers: Vec<u32>,
    pub(crate) database: u32,
}

impl Watched {
    pub(crate) fn cpu(&self) -> Cpu {
        let servers = self.servers.iter();
        Cpu {
            server: servers.map(|server| of_family(*server)).sum(),
            database: of_process(self.database),
            callers: of_process(std::process::id()),
            machine: of_machine(),
        }
    }
}

impl Cpu {
    pub(crate) fn since(self, earlier: Self) -> Self {
        Self {
            server: self.server - earlier.server,
            database: self.database - earlier.database,
            callers: self.callers - earlier.callers,
            machine: self.machine - earlier.machine,
        }
    }
}

impl Cpu {
    /// What other programs used.
    pub(crate) fn others(self) -> f64 {
        (self.machine - self.server - self.database - self.callers).max(0.0)
    }
}

/// Time in programs and in the kernel on their behalf, without interrupts.
fn of_machine() -> f64 {
    let stat = fs::read_to_string("/proc/stat").unwrap_or_default();
    let total = stat.lines().next().unwrap_or_default();
    let ticks = total.split_whitespace().skip(1).take(3);
    ticks
        .filter_map(|ticks| ticks.parse::<f64>().ok())
        .sum::<f64>()
        / TICKS_PER_SECOND
}

/// The share of the processors that programs use while this one does nothing.
pub(crate) async fn busy_share(cores: f64) -> f64 {
    let (from, began) = (of_machine(), std::time::Instant::now());
    tokio::time::sleep(std::time::Duration::from_secs(2)).await;
    (of_machine() - from) / began.elapsed().as_secs_f64() / cores
}

fn of_family(process: u32) -> f64 {
    let children = fs::read_to_string(format!("/proc/{process}/task/{process}/children"));
    let children = children.unwrap_or_default();
    let children = children.split_whitespace().filter_map(|id| id.parse().ok());
    of_process(process) + children.map(of_process).sum::<f64>()
}

fn of_process(process: u32) -> f64 {
    let stat = fs::read_to_string(format!("/proc/{process}/stat")).unwrap_or_default();
    // The second field is the program's name in parentheses, and it may contain spaces and parentheses itself.
    let fields = stat.rsplit_once(')').map_or("", |(_, fields)| fields);
    let ticks = fields.split_whitespace().skip(11).take(2);
    ticks
        .filter_map(|ticks| ticks.parse::<f64>().ok())
        .sum::<f64>()
        / TICKS_PER_SECOND
}

/// A process's memory in megabytes: current (`VmRSS`) or peak (`VmHWM`).
pub(crate) fn memory(process: u32, what: &str) -> anyhow::Result<f64> {
    let status = fs::read_to_string(format!("/proc/{process}/status"))?;
    let line = status.lines().find_map(|line| line.strip_prefix(what));
    let line = line.with_context(|| format!("no {what} of process {process}"))?;
    let kilobytes = line.trim_start_matches(':').trim().trim_end_matches(" kB");
    Ok(kilobytes.parse::<f64>()? / 1024.0)
}

/// The machine's memory in megabytes.
pub(crate) fn machine_memory() -> f64 {
    let text = fs::read_to_string("/proc/meminfo").unwrap_or_default();
    let line = text.lines().find_map(|line| line.strip_prefix("MemTotal:"));
    let kilobytes = line.map(|line| line.trim().trim_end_matches(" kB"));
    let kilobytes = kilobytes.and_then(|text| text.parse::<f64>().ok());
    kilobytes.unwrap_or(2_000_000.0) / 1024.0
}

/// The average number of runnable processes during the last minute.
pub(crate) fn load_average() -> f64 {
    let text = fs::read_to_string("/proc/loadavg").unwrap_or_default();
    let first = text.split_whitespace().next();
    first.and_then(|first| first.parse().ok()).unwrap_or(-1.0)
}

/// The processor's model name.
pub(crate) fn processor() -> String {
    let text = fs::read_to_string("/proc/cpuinfo").unwrap_or_default();
    let line = text.lines().find(|line| line.starts_with("model name"));
    let name = line.and_then(|line| line.split_once(": "));
    name.map_or("unknown", |(_, name)| name).to_owned()
}
