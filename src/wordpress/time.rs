//! Converts between UTC and the site's local time, which WordPress writes into `DATETIME` columns.
//!
//! Mirrors `wp_timezone` and `current_time( 'mysql' )` of WordPress 7.1 and, for the reverse, how
//! PHP 8.2's `DateTime` parses a wall time.

use chrono::{DateTime, NaiveDateTime, Offset, TimeDelta, TimeZone, Utc};
use chrono_tz::{TZ_VARIANTS, Tz};

/// MySQL's text form of a `DATETIME` without fraction.
const MYSQL_FORMAT: &str = "%Y-%m-%d %H:%M:%S";

/// PHP treats these names as abbreviations with a fixed offset (in hours), although the zone
/// database has zones of the same names with daylight saving time.
const FIXED_ABBREVIATIONS: [(&str, i64); 4] = [("WET", 0), ("CET", 1), ("MET", 1), ("EET", 2)];

/// The time zone of a WordPress site.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum SiteZone {
    /// A zone of the zone database.
    Named(Tz),
    /// A fixed offset from UTC, positive to the east.
    Fixed(TimeDelta),
}

/// The option `timezone_string` names a zone that is not in the zone database.
///
/// PHP has no fallback either: `wp_timezone` throws and the request ends with status 500.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("the site's time zone {0:?} is unknown")]
pub struct UnknownZone(pub String);

impl SiteZone {
    /// Coordinated universal time.
    pub const UTC: Self = Self::Fixed(TimeDelta::zero());

    /// The zone that the options `timezone_string` and `gmt_offset` select, both as stored.
    ///
    /// A named zone takes precedence; if it is empty (or `0`, which PHP treats as empty) the offset
    /// applies, and if that is empty too the site runs on UTC. Names are case-insensitive, and an
    /// offset such as `+05:30` is accepted as a name, as in PHP.
    ///
    /// # Errors
    ///
    /// [`UnknownZone`]; callers that want to continue can fall back to
    /// [`SiteZone::from_gmt_offset`].
    pub fn from_options(timezone_string: &str, gmt_offset: &str) -> Result<Self, UnknownZone> {
        let name = timezone_string.trim();
        if name.is_empty() || name == "0" {
            return Ok(Self::from_gmt_offset(gmt_offset));
        }
        let abbreviation = FIXED_ABBREVIATIONS
            .iter()
            .find(|(known, _)| known.eq_ignore_ascii_case(name));
        if let Some(&(_, hours)) = abbreviation {
            return Ok(Self::Fixed(TimeDelta::hours(hours)));
        }
        TZ_VARIANTS
            .iter()
            .find(|zone| zone.name().eq_ignore_ascii_case(name))
            .map(|&zone| Self::Named(zone))
            .or_else(|| parse_offset(name).map(Self::Fixed))
            .ok_or_else(|| UnknownZone(timezone_string.to_owned()))
    }

    /// The fixed zone for the option `gmt_offset`: hours, possibly fractional or negative.
    ///
    /// Minutes are truncated, not rounded, after the subtraction in floating point: `8.7` is
    /// +08:41. Text that is not a number counts as 0, as does an offset of 100 hours or more.
    #[must_use]
    pub fn from_gmt_offset(gmt_offset: &str) -> Self {
        let offset = leading_number(gmt_offset);
        if !(-100.0 < offset && offset < 100.0) {
            return Self::UTC;
        }
        #[expect(
            clippy::cast_possible_truncation,
            reason = "below 6000 minutes, cut on purpose"
        )]
        let minutes = |part: f64| (part * 60.0) as i64;
        Self::Fixed(TimeDelta::minutes(
            minutes(offset.trunc()) + minutes(offset - offset.trunc()),
        ))
    }

    /// The wall time on the site at this instant.
    #[must_use]
    pub fn local(&self, utc: DateTime<Utc>) -> NaiveDateTime {
        let utc = utc.naive_utc();
        shift(utc, self.offset_at(utc))
    }

    /// The instant that this wall time means in PHP.
    ///
    /// A time skipped by a clock change is read with the offset from before the change, so it moves
    /// forward. For a time that occurs twice, PHP picks the second occurrence east of UTC and the
    /// first one west of it, because it starts searching at the same wall time in UTC.
    #[must_use]
    pub fn utc(&self, local: NaiveDateTime) -> DateTime<Utc> {
        let guess = shift(local, -self.offset_at(local));
        let offset = self.offset_at(guess);
        let better = shift(local, -offset);
        // Too early for its own offset: the clocks had not changed yet.
        if better < guess && self.offset_at(better) != offset {
            guess.and_utc()
        } else {
            better.and_utc()
        }
    }

    fn offset_at(&self, utc: NaiveDateTime) -> TimeDelta {
        match self {
            Self::Named(zone) => {
                let offset = zone.offset_from_utc_datetime(&utc).fix();
                TimeDelta::seconds(offset.local_minus_utc().into())
            }
            Self::Fixed(offset) => *offset,
        }
    }
}

/// Writes a time as WordPress stores it; fractions of a second are truncated.
#[must_use]
pub fn format(time: NaiveDateTime) -> String {
    time.format(MYSQL_FORMAT).to_string()
}

/// Parses a stored time; `None` for zero dates, impossible dates and anything else.
#[must_use]
pub fn parse_mysql(text: &str) -> Option<NaiveDateTime> {
    NaiveDateTime::parse_from_str(text, MYSQL_FORMAT).ok()
}

/// Shifts a time; at the limits of the calendar it stays unchanged.
fn shift(time: NaiveDateTime, by: TimeDelta) -> NaiveDateTime {
    time.checked_add_signed(by).unwrap_or(time)
}

/// Parses `+05:30`, `-0330` or `+5`.
fn parse_offset(text: &str) -> Option<TimeDelta> {
    let (sign, digits) = match text.split_at_checked(1)? {
        ("+", digits) => (1, digits),
        ("-", digits) => (-1, digits),
        _ => return None,
    };
    let (hours, minutes) = match digits.split_once(':') {
        Some(parts) => parts,
        None => digits.split_at_checked(2).unwrap_or((digits, "")),
    };
    let number = |text: &str| -> Option<i64> {
        let is_short = text.len() <= 2 && text.bytes().all(|byte| byte.is_ascii_digit());
        is_short.then(|| text.parse().unwrap_or(0))
    };
    let minutes = number(minutes).filter(|&minutes| minutes < 60)?;
    let hours = number(hours).filter(|_| !hours.is_empty())?;
    Some(TimeDelta::minutes(sign * (hours * 60 + minutes)))
}

/// PHP's cast of text to a float: the longest numeric prefix, else 0.
fn leading_number(text: &str) -> f64 {
    let text = text.trim_start();
    // Only these characters can be part of a number; this excludes Rust's `inf` and `nan`.
    let end = text
        .find(|c: char| !matches!(c, '0'..='9' | '+' | '-' | '.' | 'e' | 'E'))
        .unwrap_or(text.len());
    (1..=end)
        .rev()
        .find_map(|end| text[..end].parse().ok())
        .unwrap_or(0.0)
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn at(text: &str) -> NaiveDateTime {
        parse_mysql(text).unwrap()
    }

    fn zone(timezone_string: &str, gmt_offset: &str) -> SiteZone {
        SiteZone::from_options(timezone_string, gmt_offset).unwrap()
    }

    #[test]
    fn offsets_are_read_and_cut_as_php_does() {
        // Recorded from WordPress's formula under PHP 8.2, in seconds.
        for (gmt_offset, seconds) in [
            ("", 0),
            ("0", 0),
            ("5.5", 19_800),
            ("-3.5", -12_600),
            ("-0.75", -2_700),
            ("12.75", 45_900),
            ("8.7", 31_260),
            ("9.3", 33_480),
            ("5,5", 18_000),
            (" 5.5", 19_800),
            ("5.5x", 19_800),
            ("abc", 0),
            ("1e1", 36_000),
            ("0.01", 0),
            (".5", 1_800),
            ("-.5", -1_800),
            ("+3", 10_800),
            ("99.99", 359_940),
            ("1e", 3_600),
            ("- 3", 0),
            ("1e400", 0),
            ("-12.999", -46_740),
            ("inf", 0),
            ("nan", 0),
        ] {
            let expected = SiteZone::Fixed(TimeDelta::seconds(seconds));
            assert_eq!(zone("", gmt_offset), expected, "{gmt_offset}");
            assert_eq!(zone("0", gmt_offset), expected, "{gmt_offset}");
        }
    }

    #[test]
    fn a_named_zone_wins_over_any_offset() {
        for name in ["Europe/Berlin", "europe/berlin", " Europe/Berlin"] {
            assert_eq!(zone(name, "5.5"), SiteZone::Named(Tz::Europe__Berlin));
        }
        for (name, seconds) in [
            ("+02:00", 7_200),
            ("+5:30", 19_800),
            ("-0330", -12_600),
            ("+5", 18_000),
            ("CET", 3_600),
        ] {
            let expected = SiteZone::Fixed(TimeDelta::seconds(seconds));
            assert_eq!(zone(name, "1"), expected, "{name}");
        }
    }

    #[test]
    fn an_unknown_zone_is_an_error() {
        for name in ["bogus", "UTC+2", "+", "+1:2:3", "+99:60", "+é"] {
            let expected = Err(UnknownZone(name.to_owned()));
            assert_eq!(SiteZone::from_options(name, "2"), expected);
        }
    }

    #[test]
    fn local_time_follows_daylight_saving() {
        let berlin = zone("Europe/Berlin", "");
        for (utc, local) in [
            ("2024-01-15 12:00:00", "2024-01-15 13:00:00"),
            ("2024-03-31 00:59:59", "2024-03-31 01:59:59"),
            ("2024-03-31 01:00:00", "2024-03-31 03:00:00"),
            ("2024-10-27 00:30:00", "2024-10-27 02:30:00"),
            ("2024-10-27 01:30:00", "2024-10-27 02:30:00"),
        ] {
            assert_eq!(format(berlin.local(at(utc).and_utc())), local);
        }
        let chatham = zone("", "12.75").local(at("2024-12-31 12:00:00").and_utc());
        assert_eq!(format(chatham), "2025-01-01 00:45:00");
    }

    #[test]
    fn wall_times_are_read_as_php_reads_them() {
        // Recorded from DateTime, PHP 8.2: gaps first, then times that occur twice.
        for (name, local, utc) in [
            (
                "Europe/Berlin",
                "2024-03-31 02:30:00",
                "2024-03-31 01:30:00",
            ),
            (
                "Europe/Berlin",
                "2024-03-31 02:00:00",
                "2024-03-31 01:00:00",
            ),
            (
                "Europe/Berlin",
                "2024-03-31 03:00:00",
                "2024-03-31 01:00:00",
            ),
            (
                "America/New_York",
                "2024-03-10 02:30:00",
                "2024-03-10 07:30:00",
            ),
            (
                "Australia/Lord_Howe",
                "2024-10-06 02:15:00",
                "2024-10-05 15:45:00",
            ),
            ("Pacific/Apia", "2011-12-30 12:00:00", "2011-12-30 22:00:00"),
            (
                "Europe/Dublin",
                "2024-03-31 01:30:00",
                "2024-03-31 01:30:00",
            ),
            (
                "Europe/Berlin",
                "2024-10-27 02:30:00",
                "2024-10-27 01:30:00",
            ),
            (
                "Europe/Berlin",
                "2024-10-27 03:00:00",
                "2024-10-27 02:00:00",
            ),
            (
                "America/New_York",
                "2024-11-03 01:30:00",
                "2024-11-03 05:30:00",
            ),
            (
                "Australia/Lord_Howe",
                "2024-04-07 01:45:00",
                "2024-04-06 15:15:00",
            ),
            (
                "Europe/Dublin",
                "2024-10-27 01:30:00",
                "2024-10-27 01:30:00",
            ),
        ] {
            let read = zone(name, "").utc(at(local));
            assert_eq!(format(read.naive_utc()), utc, "{name} {local}");
        }
        let fixed = zone("", "-3.5").utc(at("2024-01-01 00:00:00"));
        assert_eq!(format(fixed.naive_utc()), "2024-01-01 03:30:00");
    }

    #[test]
    fn zero_and_impossible_dates_are_none() {
        for text in [
            "",
            "0000-00-00 00:00:00",
            "2024-00-00 00:00:00",
            "2024-02-30 00:00:00",
            "2024-02-01",
            "2024-02-01 25:00:00",
            "2024-02-01 00:00:00 ",
        ] {
            assert_eq!(parse_mysql(text), None, "{text}");
        }
        assert_eq!(format(at("2024-02-29 23:59:58")), "2024-02-29 23:59:58");
    }

    #[test]
    fn the_ends_of_the_calendar_do_not_panic() {
        let berlin = zone("Europe/Berlin", "");
        for end in [NaiveDateTime::MIN, NaiveDateTime::MAX] {
            let _ = (berlin.local(end.and_utc()), berlin.utc(end));
        }
    }

    proptest! {
        #[test]
        fn any_options_are_read_without_panic(name: String, offset: String) {
            let _ = SiteZone::from_options(&name, &offset);
        }

        #[test]
        fn a_local_time_leads_back_to_an_instant_with_that_local_time(
            seconds in -4_000_000_000_i64..8_000_000_000, index in 0..TZ_VARIANTS.len()
        ) {
            let zone = SiteZone::Named(TZ_VARIANTS[index]);
            let local = zone.local(DateTime::from_timestamp(seconds, 0).unwrap());
            prop_assert_eq!(zone.local(zone.utc(local)), local);
        }
    }
}
