//! Compares the rows of a table that has one or several for each key: of users, their metadata, profiles, memberships and jobs. Pure.

use std::collections::{BTreeMap, BTreeSet};

use serde_json::Value;

use super::agreed::{BIOGRAPHY, LONG_PASSWORD, MAIL, OTHER_SITES_USER, SPACE_IDS};
use super::findings::{Difference, Findings, HIDDEN};
use super::scene::{Circumstances, Comparison, Password, array, shown, without};
use crate::db::ShownRow;
use crate::provision::plan::{MailPlan, NoMail};

/// The columns that are compared, by the table's name without its prefix; what differs in others is somebody else's. The webhook and the
/// site's options have rules of their own.
const COLUMNS: [(&str, &[&str]); 5] = [
    (
        "users",
        &[
            "user_login",
            "user_nicename",
            "user_email",
            "user_url",
            "user_registered",
            "user_status",
            "display_name",
        ],
    ),
    ("usermeta", &["user_id", "meta_key", "meta_value"]),
    (
        "fcom_xprofile",
        &[
            "user_id",
            "username",
            "status",
            "is_verified",
            "display_name",
            "avatar",
            "short_description",
            "meta",
            "created_at",
            "updated_at",
        ],
    ),
    (
        "fcom_space_user",
        &[
            "space_id",
            "user_id",
            "status",
            "role",
            "meta",
            "created_at",
            "updated_at",
        ],
    ),
    (
        "actionscheduler_actions",
        &["hook", "args", "scheduled_date_gmt", "group_id", "priority"],
    ),
];
/// Columns that hold the time of the call.
const TIMES: [&str; 4] = [
    "user_registered",
    "created_at",
    "updated_at",
    "scheduled_date_gmt",
];
/// Columns that are never shown; those of users have rules of their own.
const SECRETS: [&str; 2] = ["user_pass", "user_activation_key"];
/// The hook by which WordPress is asked for a welcome mail.
const WELCOME: &str = "fluent_community/send_new_user_notification";
/// The list that PHP rewrites when a space is left.
const SPACES: &str = "_fcom_space_ids";
/// In a profile's meta, what is made of the biography.
const RENDERED: &str = "short_description_rendered";

/// The rows of a table that belong together, such as those of one meta key, in the order of their ids.
type Groups<'a> = BTreeMap<String, Vec<&'a ShownRow>>;

/// A table with a row or several for each key.
pub(super) struct Table<'a> {
    comparison: &'a Comparison<'a>,
    name: &'static str,
    full_name: &'a str,
    columns: &'static [&'static str],
}

impl<'a> Table<'a> {
    /// `None` if this table is not compared so.
    pub(super) fn of(
        comparison: &'a Comparison<'a>,
        name: &'static str,
        full_name: &'a str,
    ) -> Option<Self> {
        let (_, columns) = COLUMNS.iter().find(|(of, _)| *of == name)?;
        Some(Self {
            comparison,
            name,
            full_name,
            columns,
        })
    }

    pub(super) fn compare(
        &self,
        before: &[ShownRow],
        planned: &[ShownRow],
        found: &[ShownRow],
        findings: &mut Findings,
    ) {
        let [before, planned, found] = [(before, false), (planned, true), (found, false)]
            .map(|(rows, ours)| self.groups(rows, ours));
        let keys: BTreeSet<&String> = planned.keys().chain(found.keys()).collect();
        for key in keys {
            let [was, would_be, is] = [&before, &planned, &found]
                .map(|groups| groups.get(key).cloned().unwrap_or_default());
            let is_ours = self.name != "usermeta" || was != would_be || is_of_site(key);
            if !is_ours {
                if was != is {
                    self.beside(key, findings);
                }
                continue;
            }
            for index in 0..would_be.len().max(is.len()) {
                match (would_be.get(index), is.get(index)) {
                    (Some(planned), Some(found)) => self.row(key, planned, found, findings),
                    (Some(planned), None) => self.missing(key, planned, findings),
                    (None, Some(found)) => self.unplanned(key, found, findings),
                    (None, None) => {}
                }
            }
        }
    }

    fn groups<'r>(&self, rows: &'r [ShownRow], ours: bool) -> Groups<'r> {
        let mut groups = Groups::new();
        for row in rows {
            let column = |name: &str| row.get(name).map(shown).unwrap_or_default();
            let key = match self.name {
                "usermeta" => column("meta_key"),
                "fcom_space_user" => format!("space {}", column("space_id")),
                "actionscheduler_actions" => {
                    let args = column("args");
                    let args = if ours {
                        self.comparison.args_with_their_id(&args)
                    } else {
                        args
                    };
                    format!("{} {args}", column("hook"))
                }
                _ => String::new(),
            };
            groups.entry(key).or_default().push(row);
        }
        groups
    }

    fn place(&self, key: &str) -> String {
        if key.is_empty() {
            self.full_name.to_owned()
        } else {
            format!("{}: {}", self.full_name, self.comparison.mask.text(key))
        }
    }

    fn beside(&self, what: &str, findings: &mut Findings) {
        findings.note_beside(self.place(what));
    }

    fn row(&self, key: &str, planned: &ShownRow, found: &ShownRow, findings: &mut Findings) {
        if self.name == "users" {
            self.secrets(found, findings);
        }
        // The first column is the row's id.
        for (column, ours) in planned.iter().skip(1) {
            let Some(theirs) = found.get(column) else {
                continue;
            };
            if ours == theirs || SECRETS.contains(&column.as_str()) {
                continue;
            }
            let (was, is) = (shown(ours), shown(theirs));
            if !self.columns.contains(&column.as_str()) {
                // A job's state and its claim are the queue's.
                if self.name != "actionscheduler_actions" {
                    findings.note_beside(format!("{}.{column}", self.full_name));
                }
                continue;
            }
            let comparison = self.comparison;
            let is_null = ours.is_null() != theirs.is_null();
            let is_time = TIMES.contains(&column.as_str()) && comparison.is_same_time(&was, &is);
            // The id is part of a username where many others are taken.
            let is_theirs = match column.as_str() {
                "user_id" | "username" => comparison.with_their_id(&was) == is,
                "args" => comparison.args_with_their_id(&was) == is,
                _ => false,
            };
            if !is_null && (is_time || is_theirs) {
                continue;
            }
            if column == "meta"
                && self.name == "fcom_xprofile"
                && without_biography(&was) == without_biography(&is)
            {
                findings.agree(BIOGRAPHY);
                continue;
            }
            if key == SPACES && comparison.circumstances.has_relay {
                findings.agree(SPACE_IDS);
                continue;
            }
            let text =
                |value: &Value, text: &str| (!value.is_null()).then(|| comparison.mask.text(text));
            findings.differ(Difference {
                place: match self.name {
                    "usermeta" => self.place(key),
                    "users" | "fcom_xprofile" => format!("{}.{column}", self.full_name),
                    _ => format!("{}, {column}", self.place(key)),
                },
                sidecar: text(ours, &was),
                php: text(theirs, &is),
            });
        }
    }

    /// The hash is verified, and the key of the mail's link is random.
    fn secrets(&self, found: &ShownRow, findings: &mut Findings) {
        let comparison = self.comparison;
        if !comparison.planned.is_new {
            return;
        }
        let text = |column: &str| found.get(column).map(shown);
        let mut differ = |column: &str, sidecar: &str, php: &str| {
            findings.differ(Difference {
                place: format!("{}.{column}", self.full_name),
                sidecar: Some(sidecar.to_owned()),
                php: Some(php.to_owned()),
            });
        };
        match comparison.circumstances.password {
            Password::DoesNotOpen => {
                let php = "a hash that the password does not match";
                differ("user_pass", "a hash of the password", php);
            }
            Password::NotSent if text("user_pass").is_some_and(|hash| hash.is_empty()) => {
                differ("user_pass", HIDDEN, "");
            }
            _ => {}
        }
        if let Some(key) = text("user_activation_key") {
            let (sent, not_sent) = (
                "a key, as a welcome mail is sent",
                "no key, as no mail is sent",
            );
            match comparison.planned.welcome_mail {
                MailPlan::None(NoMail::NotWanted | NoMail::KnownUser) if !key.is_empty() => {
                    differ("user_activation_key", not_sent, sent);
                }
                MailPlan::Outbox | MailPlan::ScheduledAction | MailPlan::Event
                    if key.is_empty() =>
                {
                    differ("user_activation_key", sent, not_sent);
                }
                // An address that WordPress would not send to gets a key on some releases only.
                _ => {}
            }
        }
        if comparison.circumstances.password == Password::TooLong {
            findings.agree(LONG_PASSWORD);
        }
    }

    fn missing(&self, key: &str, planned: &ShownRow, findings: &mut Findings) {
        let Circumstances {
            is_network,
            has_relay,
            ..
        } = self.comparison.circumstances;
        if key.starts_with(WELCOME) {
            findings.agree(MAIL);
        } else if self.name == "usermeta" && is_network && !self.comparison.planned.is_new {
            findings.agree(OTHER_SITES_USER);
        } else if key == SPACES && has_relay {
            findings.agree(SPACE_IDS);
        } else {
            findings.differ(Difference {
                place: self.place(key),
                sidecar: Some(self.shown(planned)),
                php: None,
            });
        }
    }

    fn unplanned(&self, key: &str, found: &ShownRow, findings: &mut Findings) {
        findings.differ(Difference {
            place: self.place(key),
            sidecar: None,
            php: Some(self.shown(found)),
        });
    }

    /// What of a row is not in its key.
    fn shown(&self, row: &ShownRow) -> String {
        let cells = row.iter().skip(1).filter(|(column, value)| {
            let column = column.as_str();
            !value.is_null()
                && self.columns.contains(&column)
                && !["meta_key", "user_id", "space_id", "hook", "args"].contains(&column)
        });
        let cells: Vec<String> = cells
            .map(|(column, value)| match column.as_str() {
                "meta_value" => shown(value),
                column => format!("{column} = {}", shown(value)),
            })
            .collect();
        self.comparison.mask.text(&cells.join(", "))
    }
}

/// Whether this is compared: a column behind its table's full name and a dot.
pub(super) fn is_compared(place: &str) -> bool {
    let is_in = |(table, columns): &(&str, &[&str])| {
        let mut places = columns.iter().map(|column| format!("{table}.{column}"));
        places.any(|one| place.ends_with(&one))
    };
    COLUMNS.iter().any(is_in)
}

/// Meta keys that WordPress and FluentCommunity write themselves, for whomever.
fn is_of_site(meta_key: &str) -> bool {
    meta_key == SPACES || meta_key.ends_with("capabilities") || meta_key.ends_with("user_level")
}

/// A profile's meta without what is made of the biography.
fn without_biography(meta: &str) -> Option<Vec<u8>> {
    array(meta).map(|meta| without(&meta, RENDERED))
}
