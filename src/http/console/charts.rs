//! The shapes of the overview's charts, as paths of SVG: digits and letters only, coloured by classes.

use std::fmt::Write;
use std::time::Duration;

use crate::telemetry::{Calls, Hour};

/// The charts' size in their own units; the browser stretches them.
const WIDTH: usize = 600;
const HEIGHT: u64 = 160;
/// A minute's width.
const STEP: usize = 10;
/// The width of its bar.
const BAR: usize = 8;

/// Of one class: its name in the stylesheet, and the shape.
pub(super) type Path = (&'static str, String);
type Class = (&'static str, fn(&Calls) -> u32);

const CLASSES: [Class; 5] = [
    ("new", |calls| calls.new),
    ("known", |calls| calls.known),
    ("repeated", |calls| calls.repeated),
    ("refused", |calls| calls.refused),
    ("failed", |calls| calls.failed),
];

/// A chart, with the numbers beside it from the top.
pub(super) struct Chart {
    pub(super) paths: Vec<Path>,
    pub(super) top: u64,
}

/// Where a minute stands: the latest one at the right.
pub(super) fn left(place: usize, of: usize) -> usize {
    WIDTH.saturating_sub((of - place) * STEP)
}

/// Calls a minute, the classes above each other.
pub(super) fn calls(hour: &Hour) -> Chart {
    let most = hour.minutes.iter().map(|one| one.calls.all()).max();
    let top = round(u64::from(most.unwrap_or_default()).max(4));
    let mut paths: Vec<Path> = CLASSES.map(|(name, _)| (name, String::new())).to_vec();
    for (place, minute) in hour.minutes.iter().enumerate() {
        let x = left(place, hour.minutes.len()) + 1;
        let (mut below, mut under) = (0, HEIGHT);
        for ((_, path), (_, amount)) in paths.iter_mut().zip(CLASSES) {
            below += u64::from(amount(&minute.calls));
            let y = HEIGHT - below * HEIGHT / top;
            if y < under {
                let height = under - y;
                // Writing to a string cannot fail.
                let _ = write!(path, "M{x} {y}h{BAR}v{height}h-{BAR}z");
            }
            under = y;
        }
    }
    Chart { paths, top }
}

/// In which time half of the calls were executed, and nearly all: two lines, broken where there were no calls. The numbers
/// are microseconds.
pub(super) fn times(hour: &Hour) -> Chart {
    let micros = |took: Duration| u64::try_from(took.as_micros()).unwrap_or(u64::MAX);
    let longest = hour
        .minutes
        .iter()
        .filter_map(|one| Some(micros(one.took?.p99)))
        .max();
    let top = round(longest.unwrap_or_default().max(1000));
    let line = |pick: fn(&crate::telemetry::Took) -> Duration| {
        let (mut path, mut is_drawing) = (String::new(), false);
        for (place, minute) in hour.minutes.iter().enumerate() {
            let Some(took) = &minute.took else {
                is_drawing = false;
                continue;
            };
            let x = left(place, hour.minutes.len()) + STEP / 2;
            let y = HEIGHT - micros(pick(took)).min(top) * HEIGHT / top;
            let letter = if is_drawing { 'L' } else { 'M' };
            // A minute alone is a short stroke.
            let _ = if is_drawing {
                write!(path, "{letter}{x} {y}")
            } else {
                write!(path, "{letter}{} {y}H{x}", x - 4)
            };
            is_drawing = true;
        }
        path
    };
    Chart {
        paths: vec![
            ("p50", line(|took| took.p50)),
            ("p99", line(|took| took.p99)),
        ],
        top,
    }
}

/// The next number that is easy to halve.
fn round(most: u64) -> u64 {
    let mut unit = 1;
    while most > unit * 20 {
        unit *= 10;
    }
    most.div_ceil(unit * 2) * unit * 2
}

#[cfg(test)]
mod tests {
    use chrono::DateTime;

    use super::*;
    use crate::telemetry::{Minute, Took};

    fn hour(all: &[(u32, u32)]) -> Hour {
        let minutes = all.iter().map(|&(new, refused)| Minute {
            began: DateTime::UNIX_EPOCH,
            calls: Calls {
                new,
                refused,
                ..Calls::default()
            },
            took: (new > 0).then_some(Took {
                p50: Duration::from_millis(3),
                p99: Duration::from_millis(12),
            }),
        });
        Hour {
            minutes: minutes.collect(),
            calls: Calls::default(),
            took: None,
        }
    }

    #[test]
    fn bars_stand_on_each_other_and_end_at_the_right() {
        let chart = calls(&hour(&[(4, 0), (2, 2)]));
        assert_eq!(chart.top, 4);
        assert_eq!(
            chart.paths[0],
            ("new", "M581 0h8v160h-8zM591 80h8v80h-8z".to_owned())
        );
        assert_eq!(chart.paths[3], ("refused", "M591 0h8v80h-8z".to_owned()));
        assert_eq!(chart.paths[1].1, "");
        assert_eq!(calls(&hour(&[])).top, 4);
    }

    #[test]
    fn lines_break_where_nothing_was_executed() {
        let chart = times(&hour(&[(1, 0), (1, 0), (0, 1), (1, 0)]));
        assert_eq!(chart.top, 12_000);
        assert_eq!(chart.paths[1].1, "M561 0H565L575 0M591 0H595");
    }

    #[test]
    fn a_scale_ends_where_it_can_be_halved() {
        for (most, top) in [
            (1, 2),
            (5, 6),
            (20, 20),
            (21, 40),
            (152, 160),
            (1999, 2000),
            (13_200, 14_000),
        ] {
            assert_eq!(round(most), top, "{most}");
        }
    }
}
