//! What the import says while it runs and at its end.

use std::io::{self, IsTerminal};
use std::path::Path;
use std::time::{Duration, Instant};

use super::super::terminal::{complain, redraw};
use crate::operations::import::{Summary, Survey};
use crate::roster::{Format, Recognised};

/// Lines of a list that are named with what is wrong with them.
const MOST_NAMED: usize = 20;
/// Between two lines of progress on a terminal, and elsewhere.
const DRAWN: [Duration; 2] = [Duration::from_millis(500), Duration::from_secs(10)];

pub(super) fn recognised(recognised: &Recognised) -> Vec<String> {
    let used = recognised.columns.used.iter();
    let used = used.map(|(field, heading)| format!("{field} = \"{heading}\""));
    let used: Vec<String> = used.collect();
    let between = match recognised.format {
        Format::Separated(_) => "columns separated by ",
        Format::JsonLines => "",
    };
    let mut lines = vec![format!(
        "{}, {between}{}: {}",
        recognised.encoding.name(),
        recognised.format.name(),
        used.join(", ")
    )];
    let ignored = &recognised.columns.ignored;
    if !ignored.is_empty() {
        let ignored: Vec<String> = ignored.iter().map(|one| format!("\"{one}\"")).collect();
        lines.push(format!("Not used: {}", ignored.join(", ")));
    }
    lines
}

pub(super) fn survey(survey: &Survey) -> Vec<String> {
    let mut lines = vec![format!(
        "{} lines: {} for new members, {} for known ones, {} with an address that stands there before, {} refused",
        survey.lines, survey.new, survey.known, survey.twice, survey.refused
    )];
    let problems = survey.problems.iter().take(MOST_NAMED);
    lines.extend(problems.map(|one| format!("line {}: {}", one.line, one.reason)));
    let unnamed = (survey.twice + survey.refused).saturating_sub(MOST_NAMED as u64);
    if unnamed > 0 {
        lines.push(format!("and {unnamed} more"));
    }
    lines
}

pub(super) fn summary(summary: &Summary, result: &Path) -> Vec<String> {
    let mut lines = vec![format!(
        "{} lines are done: {} members are new, {} were known, {} lines stood there before, {} were refused",
        summary.lines, summary.created, summary.found, summary.twice, summary.refused
    )];
    if summary.before > 0 {
        lines.push(format!(
            "{} of them had been carried out before, and were not again; --again WORD does it",
            summary.before
        ));
    }
    if !summary.complete {
        lines.push("The list has not ended: start the command again, and it goes on".to_owned());
    }
    lines.push(format!("What became of each line: {}", result.display()));
    lines
}

/// Says on standard error how far it is.
pub(super) struct Progress {
    lines: u64,
    started: Instant,
    told: Instant,
    is_terminal: bool,
    is_quiet: bool,
}

impl Progress {
    pub(super) fn of(lines: u64, is_quiet: bool) -> Self {
        let now = Instant::now();
        Self {
            lines,
            started: now,
            told: now,
            is_terminal: io::stderr().is_terminal(),
            is_quiet,
        }
    }

    pub(super) fn tell(&mut self, summary: &Summary) {
        let pause = DRAWN[usize::from(!self.is_terminal)];
        if self.is_quiet || self.told.elapsed() < pause {
            return;
        }
        self.told = Instant::now();
        let text = line(summary, self.lines, self.started.elapsed());
        if self.is_terminal {
            redraw(&text);
        } else {
            complain(&text);
        }
    }

    /// Leaves the terminal a line of its own.
    pub(super) fn end(&self) {
        if self.is_terminal && !self.is_quiet {
            redraw("");
        }
    }
}

fn line(summary: &Summary, lines: u64, elapsed: Duration) -> String {
    #[expect(clippy::cast_precision_loss, reason = "numbers for people")]
    let (done, all) = (summary.lines as f64, lines as f64);
    let rate = done / elapsed.as_secs_f64().max(0.001);
    let left = Duration::from_secs_f64(((all - done).max(0.0) / rate.max(0.001)).min(1e9));
    let minutes = left.as_secs().div_ceil(60);
    format!(
        "{} of {lines} lines, {rate:.0} a second, {minutes} min left: {} new, {} known, {} refused",
        summary.lines, summary.created, summary.found, summary.refused
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn progress_has_rate_and_time_left() {
        let summary = Summary {
            lines: 300,
            created: 290,
            found: 8,
            refused: 2,
            ..Summary::default()
        };
        assert_eq!(
            line(&summary, 12_000, Duration::from_secs(3)),
            "300 of 12000 lines, 100 a second, 2 min left: 290 new, 8 known, 2 refused"
        );
    }
}
