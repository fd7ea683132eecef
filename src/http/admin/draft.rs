//! Reads the desired state of a webhook from JSON or a form. Mirrors what `ProAdminController::saveWebhook` accepts, but
//! rejects what it silently ignores: a client that sends a wrong id should get an error.

use serde_json::{Map, Value};

use crate::fluentcommunity::webhooks::WebhookSettings;
use crate::http::fields::Name;
use crate::wordpress::php::loose;

/// Larger than any id: PHP's largest integer.
pub(super) const LARGEST: u64 = i64::MAX.unsigned_abs();

/// The webhook as sent.
#[derive(Debug, PartialEq, Eq)]
pub(in crate::http) struct Draft {
    /// The webhook to change; none for a new one.
    pub(in crate::http) id: Option<u64>,
    title: String,
    course_ids: Option<Vec<u64>>,
    space_ids: Option<Vec<u64>>,
    remove_course_ids: Option<Vec<u64>>,
    remove_space_ids: Option<Vec<u64>>,
    welcome_email: bool,
}

/// An invalid field, as FluentCommunity's validator reports it: field, rule, message.
#[derive(Debug, PartialEq, Eq)]
pub(in crate::http) struct Invalid {
    pub(in crate::http) field: &'static str,
    pub(in crate::http) rule: &'static str,
    pub(in crate::http) message: String,
}

fn invalid(field: &'static str, rule: &'static str, what: &str) -> Invalid {
    Invalid {
        field,
        rule,
        message: format!("The {field} field {what}."),
    }
}

/// The fields of a body: an object in JSON, or a form under PHP's names.
pub(in crate::http) fn fields(body: &[u8], is_json: bool) -> Option<Map<String, Value>> {
    if is_json {
        return serde_json::from_slice(body).ok();
    }
    let pairs: Vec<(String, String)> = serde_urlencoded::from_bytes(body).ok()?;
    let mut fields = Map::new();
    for (name, value) in pairs {
        let text = |name: Vec<u8>| String::from_utf8_lossy(&name).into_owned();
        match Name::parse(name.as_bytes()) {
            Name::Ignored => {}
            Name::Scalar(name) => {
                fields.insert(text(name), value.into());
            }
            Name::Element(name) => match fields.entry(text(name)).or_insert(Value::Null) {
                Value::Array(list) => list.push(value.into()),
                scalar => *scalar = vec![value].into(),
            },
            Name::TooDeep(name) => {
                fields.remove(&text(name));
            }
        }
    }
    Some(fields)
}

impl Draft {
    /// # Errors
    /// The first invalid field.
    pub(in crate::http) fn read(fields: &Map<String, Value>) -> Result<Self, Invalid> {
        let title = match fields.get("title") {
            Some(Value::String(title)) if !title.trim().is_empty() => title.clone(),
            None | Some(Value::Null | Value::String(_)) => {
                return Err(invalid("title", "required", "is required"));
            }
            Some(_) => return Err(invalid("title", "string", "must be a string")),
        };
        let id = match fields.get("id") {
            None | Some(Value::Null) => None,
            Some(Value::String(text)) if text.is_empty() => None,
            Some(id) => match number(id) {
                Some(0) => None,
                Some(id) => Some(id),
                None => return Err(invalid("id", "numeric", "must be a whole number")),
            },
        };
        Ok(Self {
            id,
            title,
            course_ids: ids(fields, "course_ids")?,
            space_ids: ids(fields, "space_ids")?,
            remove_course_ids: ids(fields, "remove_course_ids")?,
            remove_space_ids: ids(fields, "remove_space_ids")?,
            welcome_email: match fields.get("send_wp_welcome_email") {
                None | Some(Value::Null | Value::Bool(false)) => false,
                Some(Value::Bool(true)) => true,
                Some(Value::String(text)) if text == "yes" => true,
                Some(Value::String(text)) if text == "no" || text.is_empty() => false,
                Some(_) => {
                    return Err(invalid("send_wp_welcome_email", "in", "must be yes or no"));
                }
            },
        })
    }

    /// The settings to store in place of `before`. Fields that were not sent become empty, as in the plugin; but while
    /// courses are off and the plugin's page does not show them, a webhook keeps its courses.
    pub(in crate::http) fn settings(
        &self,
        before: WebhookSettings,
        course_module: bool,
    ) -> WebhookSettings {
        let courses = |sent: &Option<Vec<u64>>, before: Vec<u64>| match sent {
            Some(sent) => sent.clone(),
            None if course_module => Vec::new(),
            None => before,
        };
        WebhookSettings {
            title: self.title.clone(),
            course_ids: courses(&self.course_ids, before.course_ids),
            space_ids: self.space_ids.clone().unwrap_or_default(),
            remove_course_ids: courses(&self.remove_course_ids, before.remove_course_ids),
            remove_space_ids: self.remove_space_ids.clone().unwrap_or_default(),
            welcome_email: self.welcome_email,
        }
    }
}

/// Reads a list of ids; a single id counts as a list, null and an empty string as an empty list.
fn ids(fields: &Map<String, Value>, field: &'static str) -> Result<Option<Vec<u64>>, Invalid> {
    let ids: Option<Vec<u64>> = match fields.get(field) {
        None => return Ok(None),
        Some(Value::Null) => Some(Vec::new()),
        Some(Value::String(text)) if text.is_empty() => Some(Vec::new()),
        Some(Value::Array(ids)) => ids.iter().map(number).collect(),
        Some(id) => number(id).map(|id| vec![id]),
    };
    let what = "must be a list of ids";
    ids.map(Some).ok_or_else(|| invalid(field, "array", what))
}

fn number(value: &Value) -> Option<u64> {
    let number = match value {
        Value::Number(_) => whole(value),
        Value::String(text) => text.parse().ok(),
        _ => None,
    };
    number.filter(|number| *number <= LARGEST)
}

/// A whole number in JSON, which may be written as `2.0`.
pub(super) fn whole(value: &Value) -> Option<u64> {
    value.as_u64().or_else(|| loose::whole(value.as_f64()?))
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn read(value: &Value) -> Result<Draft, Invalid> {
        Draft::read(value.as_object().unwrap())
    }

    #[test]
    fn json_and_form_say_the_same() {
        let json = read(&json!({
            "id": 5.0, "title": "Shop & co", "space_ids": [1, "2"], "course_ids": null,
            "remove_space_ids": 3, "send_wp_welcome_email": "yes", "unknown": {}
        }));
        let form =
            b"id=5&title=Shop+%26+co&space_ids[]=1&space_ids[1]=2&course_ids=&remove_space_ids=3&\
            send_wp_welcome_email=yes&unknown=x";
        let form = Draft::read(&fields(form, false).unwrap());
        assert_eq!(json, form);
        let settings = json.unwrap().settings(WebhookSettings::default(), true);
        assert_eq!(settings.space_ids, [1, 2]);
        assert_eq!(settings.remove_space_ids, [3]);
        assert!(settings.course_ids.is_empty() && settings.welcome_email);
    }

    #[test]
    fn a_form_s_names_are_read_as_php_reads_them() {
        let form = b"title=x&space.ids[]=1&space_ids[a][b]=2&course_ids=3&course_ids[]=4&course_ids[]=5&[title]=y&id[=6";
        let fields = fields(form, false).unwrap();
        let expected =
            json!({"title": "x", "space_ids": ["1", "2"], "course_ids": ["4", "5"], "id_": "6"});
        assert_eq!(Value::Object(fields), expected);
    }

    #[test]
    fn what_cannot_be_meant_is_refused_with_its_field() {
        for (body, field, rule) in [
            (json!({}), "title", "required"),
            (json!({"title": " "}), "title", "required"),
            (json!({"title": ["x"]}), "title", "string"),
            (json!({"title": "x", "id": "abc"}), "id", "numeric"),
            (json!({"title": "x", "id": -1}), "id", "numeric"),
            (
                json!({"title": "x", "space_ids": ["1x"]}),
                "space_ids",
                "array",
            ),
            (
                json!({"title": "x", "course_ids": {"a": 1}}),
                "course_ids",
                "array",
            ),
            (
                json!({"title": "x", "send_wp_welcome_email": "YES"}),
                "send_wp_welcome_email",
                "in",
            ),
        ] {
            let error = read(&body).unwrap_err();
            assert_eq!((error.field, error.rule), (field, rule));
        }
        let required = read(&json!({})).unwrap_err();
        assert_eq!(required.message, "The title field is required.");
    }

    #[test]
    fn courses_survive_while_they_are_off() {
        let before = WebhookSettings {
            course_ids: vec![5],
            remove_course_ids: vec![6],
            space_ids: vec![1],
            ..WebhookSettings::default()
        };
        let draft = || read(&json!({"title": "x"})).unwrap();
        let off = draft().settings(before.clone(), false);
        assert_eq!((off.course_ids, off.remove_course_ids), (vec![5], vec![6]));
        assert!(off.space_ids.is_empty());
        assert!(draft().settings(before, true).course_ids.is_empty());
    }
}
