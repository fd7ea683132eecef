//! Reads the webhook record, a PHP-serialised array in `{prefix}fcom_meta`. Mirrors the parts of it that
//! `WebhookModule` reads when it executes a webhook.

use crate::wordpress::php::loose::{self, Number};
use crate::wordpress::php::{self, Value};

/// A record that is not a serialised array. PHP would overwrite it or die after creating the user; we leave it
/// untouched.
#[derive(Debug, thiserror::Error)]
#[error("the value of webhook record {webhook_id} in fcom_meta is not a PHP-serialised array")]
pub struct UnreadableWebhook {
    /// Row id in `fcom_meta`.
    pub webhook_id: u64,
}

/// What a webhook does.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Webhook {
    /// Row id in `fcom_meta`.
    pub id: u64,
    /// The title shown in FluentCommunity; empty if there is none.
    pub title: Vec<u8>,
    /// Ids of courses to enrol in, in the record's order, duplicates included.
    pub course_ids: Vec<u64>,
    /// Ids of spaces to join.
    pub space_ids: Vec<u64>,
    /// Ids of courses to leave.
    pub remove_course_ids: Vec<u64>,
    /// Ids of spaces to leave.
    pub remove_space_ids: Vec<u64>,
    /// Whether new users get WordPress's welcome e-mail. Defaults to yes if the record lacks the key.
    pub welcome_email: bool,
}

impl Webhook {
    /// Reads the record's serialised `value`.
    ///
    /// # Errors
    /// The value is NULL, text, or anything other than a serialised array.
    pub fn read(id: u64, value: &[u8]) -> Result<Self, UnreadableWebhook> {
        let value = php::parse(loose::trim(value)).ok();
        let Some(record) = value.as_ref().and_then(Value::as_array) else {
            return Err(UnreadableWebhook { webhook_id: id });
        };
        let ids = |key| record.get(key).map(ids).unwrap_or_default();
        Ok(Self {
            id,
            title: record
                .get("title")
                .and_then(Value::as_bytes)
                .unwrap_or_default()
                .to_vec(),
            course_ids: ids("course_ids"),
            space_ids: ids("space_ids"),
            remove_course_ids: ids("remove_course_ids"),
            remove_space_ids: ids("remove_space_ids"),
            welcome_email: match record.get("send_wp_welcome_email") {
                None => true,
                Some(value) => value.as_bytes() == Some(b"yes"),
            },
        })
    }

    /// Every id in the record, deduplicated and ascending.
    pub fn target_ids(&self) -> Vec<u64> {
        let lists = [
            &self.course_ids,
            &self.remove_course_ids,
            &self.space_ids,
            &self.remove_space_ids,
        ];
        let mut ids: Vec<u64> = lists.into_iter().flatten().copied().collect();
        ids.sort_unstable();
        ids.dedup();
        ids
    }
}

/// `value` with `running_count` increased by `runs`; everything else is preserved byte for byte.
///
/// # Errors
/// As [`Webhook::read`].
pub fn count_runs(id: u64, value: &[u8], runs: u64) -> Result<Vec<u8>, UnreadableWebhook> {
    let unreadable = || UnreadableWebhook { webhook_id: id };
    let value = php::parse(loose::trim(value)).map_err(|_| unreadable())?;
    let mut record = value.into_array().map_err(|_| unreadable())?;
    let before = record.get("running_count").map_or(0, loose::to_int);
    let after = before.saturating_add_unsigned(runs);
    record.set("running_count", Value::Int(after));
    Ok(Value::Array(record).write())
}

/// The ids of a list, in order. Skips elements that PHP's `is_numeric` rejects and values that cannot be ids; a list
/// that is not an array is empty.
fn ids(list: &Value) -> Vec<u64> {
    let Some(list) = list.as_array() else {
        return Vec::new();
    };
    list.values().filter_map(id).collect()
}

/// Compares an element to a BIGINT column as MySQL does: `"4.0"` and `"1e0"` are ids, `"4.5"` matches none.
fn id(element: &Value) -> Option<u64> {
    let number = match element {
        Value::Int(id) => Number::Int(*id),
        Value::Float(float) => Number::Float(float.to_f64()),
        Value::String(text) => loose::numeric_value(text)?,
        _ => return None,
    };
    let id = match number {
        Number::Int(id) => u64::try_from(id).ok(),
        Number::Float(id) => loose::whole(id),
    };
    id.filter(|&id| id > 0)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn lists_are_read_as_php_reads_them() {
        let record = br#"a:3:{s:10:"course_ids";a:9:{i:0;i:4;i:1;s:3:"4.0";i:2;s:2:" 5";i:3;s:2:"6 ";i:4;s:3:"1e0";i:5;s:4:"4abc";i:6;b:1;i:7;i:-3;i:8;d:7;}s:9:"space_ids";s:0:"";s:21:"send_wp_welcome_email";s:2:"no";}"#;
        let webhook = Webhook::read(1, record).unwrap();
        assert_eq!(webhook.course_ids, [4, 4, 5, 6, 1, 7]);
        assert!(webhook.space_ids.is_empty());
        assert!(!webhook.welcome_email);
        assert_eq!(webhook.target_ids(), [1, 4, 5, 6, 7]);
    }

    #[test]
    fn the_welcome_email_is_sent_unless_the_record_says_otherwise() {
        for (record, expected) in [
            (&br"a:0:{}"[..], true),
            (br#"a:1:{s:21:"send_wp_welcome_email";N;}"#, false),
            (br#"a:1:{s:21:"send_wp_welcome_email";s:3:"yes";}"#, true),
            (br#"a:1:{s:21:"send_wp_welcome_email";s:3:"YES";}"#, false),
            (br#"a:1:{s:21:"send_wp_welcome_email";b:1;}"#, false),
        ] {
            assert_eq!(Webhook::read(1, record).unwrap().welcome_email, expected);
        }
    }

    #[test]
    fn a_record_that_is_no_array_is_refused() {
        for value in [
            &b""[..],
            b"N;",
            b"b:0;",
            b"text",
            b"{}",
            br#"s:1:"a";"#,
            br#"a:1:{i:0;s:9:"x";}"#,
        ] {
            assert!(Webhook::read(1, value).is_err());
            assert!(count_runs(1, value, 1).is_err());
        }
    }

    #[test]
    fn counting_changes_running_count_only() {
        for (before, after) in [
            (
                r#"a:1:{s:5:"title";s:1:"x";}"#,
                r#"a:2:{s:5:"title";s:1:"x";s:13:"running_count";i:2;}"#,
            ),
            (
                r#"a:2:{s:13:"running_count";s:1:"7";s:1:"z";d:1.50;}"#,
                r#"a:2:{s:13:"running_count";i:9;s:1:"z";d:1.50;}"#,
            ),
        ] {
            let counted = count_runs(1, before.as_bytes(), 2).unwrap();
            assert_eq!(String::from_utf8(counted).unwrap(), after);
        }
    }
}
