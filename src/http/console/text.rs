//! Numbers, durations and times as the pages write them.

use std::time::Duration;

use chrono::{DateTime, NaiveDateTime, SecondsFormat, Utc};
use minijinja::{Value, context};

use crate::wordpress::time::SiteZone;

/// `3,742`.
pub(super) fn number(number: u64) -> String {
    let digits = number.to_string();
    let mut shown = String::new();
    for (place, digit) in digits.chars().enumerate() {
        if place > 0 && (digits.len() - place).is_multiple_of(3) {
            shown.push(',');
        }
        shown.push(digit);
    }
    shown
}

/// `1 call`, `3,742 calls`.
pub(super) fn count(amount: u64, one: &str, many: &str) -> String {
    format!(
        "{} {}",
        number(amount),
        if amount == 1 { one } else { many }
    )
}

/// Milliseconds, with a decimal below a hundred.
pub(super) fn milliseconds(took: Duration) -> String {
    let tenths = (took.as_micros() + 50) / 100;
    if tenths < 1000 {
        format!("{}.{}", tenths / 10, tenths % 10)
    } else {
        number(u64::try_from(tenths / 10).unwrap_or(u64::MAX))
    }
}

/// Seconds, minutes, hours or days, as two of them at most.
pub(super) fn span(seconds: u64) -> String {
    match seconds {
        0..60 => format!("{seconds} s"),
        60..3600 => format!("{} min", seconds / 60),
        3600..86_400 => format!("{} h {} min", seconds / 3600, seconds / 60 % 60),
        _ => count(seconds / 86_400, "day", "days"),
    }
}

/// The site's times.
#[derive(Clone, Copy, Debug)]
pub(super) struct Times {
    pub(super) zone: SiteZone,
    pub(super) now: DateTime<Utc>,
}

impl Times {
    /// Today `14:03:07`, else `24 Nov, 18:20`, with the year if it is another one.
    pub(super) fn of(&self, time: DateTime<Utc>) -> Value {
        let (local, today) = (self.zone.local(time), self.zone.local(self.now));
        let shown = if local.date() == today.date() {
            local.format("%H:%M:%S")
        } else if local.format("%Y").to_string() == today.format("%Y").to_string() {
            local.format("%-d %b, %H:%M")
        } else {
            local.format("%-d %b %Y, %H:%M")
        };
        value(time, &shown.to_string())
    }

    /// A time as the daemon's tables have it.
    pub(super) fn of_utc(&self, time: NaiveDateTime) -> Value {
        self.of(time.and_utc())
    }

    /// `Wed 25 Nov 2026, 14:03:07`.
    pub(super) fn full(&self, time: DateTime<Utc>) -> Value {
        let local = self.zone.local(time);
        value(time, &local.format("%a %-d %b %Y, %H:%M:%S").to_string())
    }

    /// `14:03`.
    pub(super) fn minute(&self, time: DateTime<Utc>) -> String {
        self.zone.local(time).format("%H:%M").to_string()
    }
}

fn value(time: DateTime<Utc>, shown: &str) -> Value {
    let iso = time.to_rfc3339_opts(SecondsFormat::Secs, true);
    context! { iso, shown }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_are_written_in_groups() {
        for (given, shown) in [
            (0, "0"),
            (999, "999"),
            (3742, "3,742"),
            (1_234_567, "1,234,567"),
        ] {
            assert_eq!(number(given), shown);
        }
        assert_eq!(count(1, "call", "calls"), "1 call");
        for (micros, shown) in [
            (0, "0.0"),
            (6_849, "6.8"),
            (99_949, "99.9"),
            (1_234_567, "1,234"),
        ] {
            assert_eq!(milliseconds(Duration::from_micros(micros)), shown);
        }
        for (seconds, shown) in [
            (59, "59 s"),
            (3599, "59 min"),
            (3660, "1 h 1 min"),
            (90_000, "1 day"),
        ] {
            assert_eq!(span(seconds), shown);
        }
    }

    #[test]
    fn times_are_the_sites() {
        let zone = SiteZone::from_options("Europe/Berlin", "").unwrap();
        let now = "2026-11-25T23:30:00Z".parse().unwrap();
        let times = Times { zone, now };
        for (time, shown) in [
            ("2026-11-25T23:03:07Z", "00:03:07"),
            ("2026-11-25T22:03:07Z", "25 Nov, 23:03"),
            ("2025-12-31T23:30:00Z", "1 Jan, 00:30"),
            ("2025-12-31T22:30:00Z", "31 Dec 2025, 23:30"),
        ] {
            let value = times.of(time.parse().unwrap());
            assert_eq!(value.get_attr("shown").unwrap().as_str(), Some(shown));
            assert_eq!(value.get_attr("iso").unwrap().as_str(), Some(time));
        }
    }
}
