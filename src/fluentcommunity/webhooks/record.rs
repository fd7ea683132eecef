//! Builds the serialised value of a webhook record as the plugin writes it.

use crate::fluentcommunity::webhook::{UnreadableWebhook, Webhook};
use crate::wordpress::php::{self, Array, Key, Value, loose};
use crate::wordpress::sanitize::name::sanitize_text_field;
use crate::wordpress::version::Version;

/// The keys that an administrator sets, in the plugin's order. The first run appends `running_count`.
const KEYS: [&str; 6] = [
    "title",
    "course_ids",
    "space_ids",
    "remove_course_ids",
    "remove_space_ids",
    "send_wp_welcome_email",
];

/// The settings that an administrator controls.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct WebhookSettings {
    /// Sanitised when it is written.
    pub title: String,
    /// Courses to enrol in.
    pub course_ids: Vec<u64>,
    /// Spaces to join.
    pub space_ids: Vec<u64>,
    /// Courses to leave.
    pub remove_course_ids: Vec<u64>,
    /// Spaces to leave.
    pub remove_space_ids: Vec<u64>,
    /// Whether new users get WordPress's welcome e-mail.
    pub welcome_email: bool,
}

impl From<&Webhook> for WebhookSettings {
    fn from(webhook: &Webhook) -> Self {
        Self {
            title: String::from_utf8_lossy(&webhook.title).into_owned(),
            course_ids: webhook.course_ids.clone(),
            space_ids: webhook.space_ids.clone(),
            remove_course_ids: webhook.remove_course_ids.clone(),
            remove_space_ids: webhook.remove_space_ids.clone(),
            welcome_email: webhook.welcome_email,
        }
    }
}

impl WebhookSettings {
    /// The value of a new record.
    pub(super) fn write(&self) -> Vec<u8> {
        Value::Array(self.array()).write()
    }

    /// Applies these settings to a record's value. The record's other entries are kept and follow the settings, so
    /// `running_count` is where the plugin puts it; the plugin itself drops unknown keys.
    ///
    /// # Errors
    /// The value is not a serialised array.
    pub(super) fn rewrite(&self, id: u64, value: &[u8]) -> Result<Vec<u8>, UnreadableWebhook> {
        let unreadable = || UnreadableWebhook { webhook_id: id };
        let before = php::parse(loose::trim(value)).map_err(|_| unreadable())?;
        let mut rest = before.into_array().map_err(|_| unreadable())?;
        for key in KEYS {
            rest.remove(key);
        }
        let mut record = self.array();
        for (key, value) in rest.iter() {
            record.set(key.clone(), value.clone());
        }
        Ok(Value::Array(record).write())
    }

    fn array(&self) -> Array {
        let ids =
            |ids: &[u64]| Value::Array(Array::list(ids.iter().map(|id| id.cast_signed().into())));
        let title = sanitize_text_field(self.title.as_bytes(), Version::NEWEST);
        let values = [
            Value::String(title),
            ids(&self.course_ids),
            ids(&self.space_ids),
            ids(&self.remove_course_ids),
            ids(&self.remove_space_ids),
            if self.welcome_email { "yes" } else { "no" }.into(),
        ];
        KEYS.into_iter().zip(values).collect()
    }
}

/// A stored value as PHP's `json_encode` shows it; text that is not a serialised value is shown unchanged.
pub fn json(stored: Option<&[u8]>) -> serde_json::Value {
    let Some(stored) = stored else {
        return serde_json::Value::Null;
    };
    match php::parse(loose::trim(stored)) {
        Ok(value) => of_value(&value),
        Err(_) => String::from_utf8_lossy(stored).into(),
    }
}

fn of_value(value: &Value) -> serde_json::Value {
    let text = |bytes: &[u8]| String::from_utf8_lossy(bytes).into_owned();
    match value {
        Value::Null => serde_json::Value::Null,
        Value::Bool(flag) => (*flag).into(),
        Value::Int(number) => (*number).into(),
        Value::Float(number) => number.to_f64().into(),
        Value::String(bytes) | Value::Enum(bytes) => text(bytes).into(),
        Value::Array(array) if is_list(array) => array.values().map(of_value).collect(),
        Value::Array(array) => members(array.iter()),
        Value::Object(object) => members(object.properties.iter().map(|(key, value)| (key, value))),
    }
}

fn members<'a>(members: impl Iterator<Item = (&'a Key, &'a Value)>) -> serde_json::Value {
    let members = members.map(|(key, value)| {
        let key = String::from_utf8_lossy(&key.to_bytes()).into_owned();
        (key, of_value(value))
    });
    serde_json::Value::Object(members.collect())
}

fn is_list(array: &Array) -> bool {
    let keys = array.iter().map(|(key, _)| key);
    keys.zip(0..).all(|(key, index)| *key == Key::Int(index))
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Matches the sample site, whose records the plugin's own code wrote.
    const WRITTEN_BY_THE_PLUGIN: &str = r#"a:6:{s:5:"title";s:4:"Hook";s:10:"course_ids";a:2:{i:0;i:5;i:1;i:6;}s:9:"space_ids";a:2:{i:0;i:1;i:1;i:2;}s:17:"remove_course_ids";a:1:{i:0;i:7;}s:16:"remove_space_ids";a:2:{i:0;i:3;i:1;i:4;}s:21:"send_wp_welcome_email";s:3:"yes";}"#;

    fn settings() -> WebhookSettings {
        WebhookSettings {
            title: "Hook".to_owned(),
            course_ids: vec![5, 6],
            space_ids: vec![1, 2],
            remove_course_ids: vec![7],
            remove_space_ids: vec![3, 4],
            welcome_email: true,
        }
    }

    #[test]
    fn a_new_record_is_the_plugins() {
        assert_eq!(settings().write(), WRITTEN_BY_THE_PLUGIN.as_bytes());
        let read = Webhook::read(1, WRITTEN_BY_THE_PLUGIN.as_bytes()).unwrap();
        assert_eq!(WebhookSettings::from(&read), settings());
    }

    #[test]
    fn an_edit_keeps_what_it_does_not_know_and_the_count_stays_last() {
        let before = r#"a:3:{s:13:"running_count";i:41;s:5:"title";s:3:"Old";s:5:"extra";a:1:{i:0;d:1.50;}}"#;
        let after = settings().rewrite(1, before.as_bytes()).unwrap();
        let after = String::from_utf8(after).unwrap();
        let kept = r#"s:13:"running_count";i:41;s:5:"extra";a:1:{i:0;d:1.50;}}"#;
        let written = WRITTEN_BY_THE_PLUGIN.replace("a:6:", "a:8:");
        assert_eq!(after, written[..written.len() - 1].to_owned() + kept);
        assert!(settings().rewrite(1, b"text").is_err());
    }

    #[test]
    fn titles_are_sanitised_as_the_plugin_sanitises_them() {
        for (given, stored) in [
            ("  My <b>hook</b>\n two ", "My hook two"),
            ("100%20 & \"more\" 'it' \\ ✓", "100 & \"more\" 'it' \\ ✓"),
            ("a < b", "a &lt; b"),
            ("", ""),
        ] {
            let settings = WebhookSettings {
                title: given.to_owned(),
                ..WebhookSettings::default()
            };
            let title = Webhook::read(1, &settings.write()).unwrap().title;
            assert_eq!(String::from_utf8(title).unwrap(), stored);
        }
    }

    #[test]
    fn values_are_shown_as_php_shows_them() {
        let shown = |stored: &[u8]| json(Some(stored)).to_string();
        let record = br#"a:3:{s:1:"a";a:0:{}s:1:"b";a:2:{i:0;i:1;i:1;s:1:"2";}i:7;a:1:{i:1;N;}}"#;
        assert_eq!(shown(record), r#"{"a":[],"b":[1,"2"],"7":{"1":null}}"#);
        assert_eq!(shown(b"text"), r#""text""#);
        assert_eq!(json(None), serde_json::Value::Null);
    }
}
