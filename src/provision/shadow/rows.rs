//! Compares the rows that PHP left with those that the sidecar would have left. Pure.

use super::agreed::COUNT;
use super::findings::{Difference, Findings};
use super::scene::{Comparison, array, shown, without};
use super::table::Table;
use crate::db::ShownRow;
use crate::provision::rehearsal::Seen;
use crate::wordpress::php::loose;

impl Comparison<'_> {
    pub(super) fn run(&self, findings: &mut Findings) {
        for planned in self.planned.after {
            let rows = |all: &'_ [Seen]| -> Option<Vec<ShownRow>> {
                let seen = all.iter().find(|seen| seen.name == planned.name);
                seen.and_then(|seen| seen.rows.clone())
            };
            let before = rows(self.planned.before);
            // Own tables were not looked for.
            let (Some(before), Some(after), Some(found)) =
                (before, &planned.rows, rows(self.found))
            else {
                continue;
            };
            match planned.name {
                "fcom_meta" => self.webhook(&planned.table, &before, &found, findings),
                "options" => self.user_count(&planned.table, after, &found, findings),
                name => {
                    if let Some(table) = Table::of(self, name, &planned.table) {
                        table.compare(&before, after, &found, findings);
                    }
                }
            }
        }
    }

    /// The record may have been changed by other calls meanwhile; its count is the only thing that this one changes.
    fn webhook(
        &self,
        table: &str,
        before: &[ShownRow],
        found: &[ShownRow],
        findings: &mut Findings,
    ) {
        let differ = |findings: &mut Findings, what: &str, sidecar: String, php: Option<String>| {
            findings.differ(Difference {
                place: format!("{table}.{what}"),
                sidecar: Some(self.mask.text(&sidecar)),
                php: php.map(|text| self.mask.text(&text)),
            });
        };
        let (Some(before), Some(found)) = (before.first(), found.first()) else {
            if !before.is_empty() {
                differ(
                    findings,
                    "id",
                    self.planned.subject.webhook_id.to_string(),
                    None,
                );
            }
            return;
        };
        let is_shared = self.circumstances.overlaps.webhook;
        let text = |row: &ShownRow| row.get("value").map(shown).unwrap_or_default();
        let (was, is) = (text(before), text(found));
        let ((was_rest, was_count), (is_rest, is_count)) = (record(&was), record(&is));
        if was_rest != is_rest {
            differ(findings, "value", was.clone(), Some(is));
        }
        match is_count.cmp(&(was_count + 1)) {
            std::cmp::Ordering::Equal => {}
            std::cmp::Ordering::Greater if is_shared => {}
            std::cmp::Ordering::Less if is_shared => findings.agree(COUNT),
            _ => {
                let (sidecar, php) = ((was_count + 1).to_string(), is_count.to_string());
                differ(findings, "running_count", sidecar, Some(php));
            }
        }
        // Not the key: PHP never writes it in a call, and whoever does meanwhile has made a secret.
        for column in ["object_type", "object_id", "created_at"] {
            let [was, is] = [before, found].map(|row| row.get(column).map(shown));
            if was != is {
                differ(findings, column, was.unwrap_or_default(), is);
            }
        }
        let updated = found.get("updated_at").map(shown).unwrap_or_default();
        let planned = self.planned.after.iter();
        let planned = planned
            .filter(|seen| seen.name == "fcom_meta")
            .find_map(|seen| seen.rows.as_ref()?.first()?.get("updated_at"));
        let planned = planned.map(shown).unwrap_or_default();
        if !is_shared && !self.is_same_time(&planned, &updated) {
            differ(findings, "updated_at", planned, Some(updated));
        }
    }

    /// Others may register at any time, so more users are none of this call's business.
    fn user_count(
        &self,
        table: &str,
        after: &[ShownRow],
        found: &[ShownRow],
        findings: &mut Findings,
    ) {
        let count = |rows: &[ShownRow]| {
            let is_count = |row: &&ShownRow| {
                row.get("option_name")
                    .is_some_and(|name| name == "user_count")
            };
            let row = rows.iter().find(is_count);
            row.and_then(|row| shown(row.get("option_value")?).parse::<u64>().ok())
        };
        let (Some(planned), found) = (count(after), count(found)) else {
            return;
        };
        if found.is_none_or(|found| found < planned) && !self.circumstances.overlaps.any {
            findings.differ(Difference {
                place: format!("{table}: user_count"),
                sidecar: Some(planned.to_string()),
                php: found.map(|found| found.to_string()),
            });
        }
    }
}

/// A webhook's record without its count, and the count.
fn record(value: &str) -> (Vec<u8>, i64) {
    const COUNT: &str = "running_count";
    let Some(record) = array(value) else {
        return (value.as_bytes().to_vec(), 0);
    };
    let count = record.get(COUNT).map_or(0, loose::to_int);
    (without(&record, COUNT), count)
}

#[cfg(test)]
mod tests;
