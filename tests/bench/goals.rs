//! The ratios that a run yields, each with what it should be.

use crate::extras;
use crate::import;
use crate::lab::{
    KNOWN, KNOWN_LEAST, MEMBER, MOVING, MOVING_RELAYED, NEW, NEW_LEAST, NEW_MEMBER,
    NEW_MEMBER_LEAST, NEW_RELAYED, NEW_UNTOLD, SATURATING,
};
use crate::measure::Run;
use crate::ratios::{Better, Ratio};
use crate::relay;
use crate::report::Report;

/// What FluentCommunity's own handler did where it was measured, on php-fpm with `OPcache`: calls a second for existing users, with eight
/// callers; and for new users, from its slowest to its fastest.
const PHP_KNOWN: f64 = 105.0;
const PHP_KNOWN_CALLERS: usize = 8;
const PHP_NEW: (f64, f64) = (9.0, 24.0);
/// How many times as fast as that the daemon should be.
const TIMES_PHP: f64 = 20.0;

/// A value of a run, of a row over that of another one, with so many callers.
type Compared = (
    &'static str,
    &'static str,
    &'static str,
    usize,
    fn(&Run) -> f64,
    f64,
    Better,
);

const CALLS: fn(&Run) -> f64 = |run| run.per_second;
const P50: fn(&Run) -> f64 = |run| run.p50;
const P99: fn(&Run) -> f64 = |run| run.p99;
const DATABASE: fn(&Run) -> f64 = |run| run.database_cpu;

const COMPARED: [Compared; 20] = [
    (
        "calls/s",
        KNOWN,
        KNOWN_LEAST,
        32,
        CALLS,
        0.65,
        Better::Higher,
    ),
    (
        "calls/s",
        KNOWN,
        KNOWN_LEAST,
        8,
        CALLS,
        0.65,
        Better::Higher,
    ),
    (
        "calls/s",
        MEMBER,
        KNOWN_LEAST,
        32,
        CALLS,
        0.65,
        Better::Higher,
    ),
    (
        "calls/s",
        MEMBER,
        KNOWN_LEAST,
        8,
        CALLS,
        0.65,
        Better::Higher,
    ),
    ("p50", KNOWN, KNOWN_LEAST, 1, P50, 1.3, Better::Lower),
    ("p50", MEMBER, KNOWN_LEAST, 1, P50, 1.3, Better::Lower),
    (
        "calls/s",
        NEW_UNTOLD,
        NEW_LEAST,
        32,
        CALLS,
        0.7,
        Better::Higher,
    ),
    (
        "calls/s",
        NEW_UNTOLD,
        NEW_LEAST,
        8,
        CALLS,
        0.7,
        Better::Higher,
    ),
    (
        "calls/s",
        NEW_MEMBER,
        NEW_MEMBER_LEAST,
        32,
        CALLS,
        0.7,
        Better::Higher,
    ),
    ("p50", NEW_UNTOLD, NEW_LEAST, 1, P50, 1.3, Better::Lower),
    (
        "database ms a call",
        KNOWN,
        KNOWN_LEAST,
        32,
        DATABASE,
        1.0,
        Better::Lower,
    ),
    (
        "database ms a call",
        MEMBER,
        KNOWN_LEAST,
        32,
        DATABASE,
        1.0,
        Better::Lower,
    ),
    (
        "database ms a call",
        NEW_UNTOLD,
        NEW_LEAST,
        32,
        DATABASE,
        1.5,
        Better::Lower,
    ),
    (
        "calls/s",
        MOVING_RELAYED,
        MOVING,
        32,
        CALLS,
        0.85,
        Better::Higher,
    ),
    (
        "calls/s",
        NEW_RELAYED,
        NEW_UNTOLD,
        32,
        CALLS,
        0.85,
        Better::Higher,
    ),
    (
        "calls/s",
        extras::BACKLOG,
        extras::NO_BACKLOG,
        32,
        CALLS,
        0.95,
        Better::Higher,
    ),
    (
        "lines/s",
        import::IMPORT,
        import::CALLS,
        32,
        CALLS,
        1.0,
        Better::Higher,
    ),
    (
        "p99",
        import::BESIDE,
        import::ALONE,
        import::CONSTANT_CALLERS,
        P99,
        2.0,
        Better::Lower,
    ),
    (
        "p99",
        extras::OTHERS_BESIDE_SAME,
        extras::OTHERS_BESIDE_MANY,
        64,
        P99,
        1.2,
        Better::Lower,
    ),
    (
        "p99",
        extras::OTHERS_BESIDE_SAME,
        extras::OTHERS,
        64,
        P99,
        10.0,
        Better::Lower,
    ),
];

/// All ratios that could be measured.
pub(crate) fn ratios(report: &Report) -> Vec<Ratio> {
    let mut all = Vec::new();
    for (what, over, under, callers, value, goal, better) in COMPARED {
        let name = format!("{what}: {over} / {under}, {callers} callers");
        let value = report.ratio((over, callers), (under, callers), value);
        push(&mut all, name, value, goal, better);
    }
    let name = format!("calls/s: {} / {KNOWN}, 32 callers", extras::SAME);
    let value = report.ratio((extras::SAME, SATURATING), (KNOWN, SATURATING), CALLS);
    push(&mut all, name, value, 0.2, Better::Higher);
    let fact = |name: &str| report.number(name);
    let over = |over: &str, under: &str| Some(fact(over)? / fact(under)?);
    let cores = fact("cores");
    let new = report.median(NEW, SATURATING).map(|run| run.per_second);
    let capacity = || Some(new? * fact(extras::HASH_ALONE)? / 1000.0 / cores?);
    for (name, value, goal, better) in [
        (
            "share of the processors' hashes that become new users with password, 32 callers",
            capacity(),
            0.5,
            Better::Higher,
        ),
        (
            "one hash under load / alone",
            over(extras::HASH_UNDER_LOAD, extras::HASH_ALONE),
            2.5,
            Better::Lower,
        ),
        (
            "hooks/s of the relay / one request for each hook",
            over(relay::HOOKS, relay::REQUESTS),
            5.0,
            Better::Higher,
        ),
        (
            "peak memory: 100,000 hooks wait / none",
            over(extras::MEMORY_WITH_BACKLOG, extras::MEMORY),
            1.05,
            Better::Lower,
        ),
        (
            "calls/s executed at ten times the peak rate / at the peak",
            fact("overload_goodput_over_peak"),
            0.65,
            Better::Higher,
        ),
    ] {
        push(&mut all, name.to_owned(), value, goal, better);
    }
    all
}

fn push(all: &mut Vec<Ratio>, name: String, value: Option<f64>, goal: f64, better: Better) {
    if let Some(value) = value.filter(|value| value.is_finite()) {
        all.push(Ratio {
            name,
            value,
            goal,
            better,
        });
    }
}

/// How many times as fast as PHP's handler, whose figures are recorded ones.
pub(crate) fn beside_php(report: &Report) -> String {
    let mut lines = vec![
        "| calls/s over those of PHP's handler (*) | | goal |\n| --- | ---: | ---: |".to_owned(),
    ];
    let (slowest, fastest) = PHP_NEW;
    for (row, callers, php) in [
        (KNOWN, PHP_KNOWN_CALLERS, PHP_KNOWN),
        (NEW, SATURATING, fastest),
        (NEW, SATURATING, slowest),
    ] {
        if let Some(run) = report.median(row, callers) {
            let times = run.per_second / php;
            lines.push(format!(
                "| {row}, {callers} callers; PHP {php:.0} | {times:.0} | ≥ {TIMES_PHP} |"
            ));
        }
    }
    lines.push(format!(
        "\n(*) FluentCommunity is not part of the bench. Its handler's figures were recorded elsewhere and not in this run: {PHP_KNOWN} calls a \
         second for existing users at {PHP_KNOWN_CALLERS} connections, {slowest} to {fastest} for new ones."
    ));
    lines.join("\n")
}
