//! Text of a batch of statements, with gaps for the values that differ between calls. The daemon writes numbers as
//! digits, and everything else as the hexadecimal digits of its bytes.

use std::fmt::Write;

use sqlx::{AssertSqlSafe, SqlSafeStr, SqlStr};

/// The text before the number of runs in a webhook's record.
const COUNT: &[u8] = b"\"running_count\";i:";

/// A value that differs between calls.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Gap {
    Name,
    CallId,
    /// As a number, and as text.
    UserId,
    UserIdText,
    RunIds,
    /// The new value of `running_count`.
    Count,
}

/// One call's values for all gaps; for the recorded call, the values to look for.
#[derive(Clone, Debug, Default)]
pub(crate) struct Differences {
    pub(crate) name: String,
    pub(crate) call_id: Vec<u8>,
    pub(crate) user_id: u64,
    /// A tally has many.
    pub(crate) run_ids: Vec<u64>,
    pub(crate) count: u64,
}

/// The text, cut at its gaps; a gap follows each piece but the last.
#[derive(Clone, Debug)]
pub(crate) struct Template {
    pieces: Vec<(String, Gap)>,
    rest: String,
}

impl Template {
    /// Cuts out the recorded call's own values.
    pub(crate) fn new(mut text: &str, noted: &Differences) -> Self {
        let record_count = hex(COUNT);
        let values = [
            (Gap::Name, hex(noted.name.as_bytes())),
            (Gap::CallId, hex(&noted.call_id)),
            (Gap::UserIdText, hex(noted.user_id.to_string().as_bytes())),
            (Gap::UserId, noted.user_id.to_string()),
            (Gap::RunIds, noted.run_ids[0].to_string()),
            (Gap::Count, record_count.clone()),
        ];
        let mut pieces = Vec::new();
        loop {
            let found = values
                .iter()
                .filter_map(|(gap, value)| Some((text.find(value.as_str())?, *gap, value)))
                .min_by_key(|(position, _, _)| *position);
            let Some((position, gap, value)) = found else {
                let rest = text.to_owned();
                return Self { pieces, rest };
            };
            let behind = &text[position + value.len()..];
            if gap == Gap::Count {
                // The prefix stays, and the old number is dropped: a digit is written 30 to 39.
                let mut old = 0;
                while behind[old..].starts_with('3') && !behind[old..].starts_with("3b") {
                    old += 2;
                }
                pieces.push((format!("{}{record_count}", &text[..position]), gap));
                text = &behind[old..];
            } else {
                pieces.push((text[..position].to_owned(), gap));
                text = behind;
            }
        }
    }

    /// The text with another call's values.
    pub(crate) fn fill(&self, own: &Differences) -> SqlStr {
        let mut text = String::with_capacity(4096);
        for (piece, gap) in &self.pieces {
            text.push_str(piece);
            match gap {
                Gap::Name => write_hex(&mut text, own.name.as_bytes()),
                Gap::CallId => write_hex(&mut text, &own.call_id),
                Gap::UserIdText => write_hex(&mut text, own.user_id.to_string().as_bytes()),
                Gap::Count => write_hex(&mut text, own.count.to_string().as_bytes()),
                Gap::UserId => push_number(&mut text, own.user_id),
                Gap::RunIds => {
                    for (index, id) in own.run_ids.iter().enumerate() {
                        text.push_str(if index > 0 { ", " } else { "" });
                        push_number(&mut text, *id);
                    }
                }
            }
        }
        text.push_str(&self.rest);
        // Sound: the SQL is the daemon's own text, with digits in its gaps.
        AssertSqlSafe(text).into_sql_str()
    }
}

fn push_number(text: &mut String, number: u64) {
    let _ = write!(text, "{number}");
}

fn hex(bytes: &[u8]) -> String {
    let mut text = String::new();
    write_hex(&mut text, bytes);
    text
}

fn write_hex(text: &mut String, bytes: &[u8]) {
    for byte in bytes {
        let _ = write!(text, "{byte:02x}");
    }
}
