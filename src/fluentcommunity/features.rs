//! Reads feature flags from the row `fluent_community_features` in `{prefix}fcom_meta`. Mirrors
//! `Utility::getFeaturesConfig`.

use crate::wordpress::php::{self, Value, loose};
use crate::wordpress::sanitize::meta_value::looks_serialized;
use crate::wordpress::version::Version;

/// Whether courses are enabled: the effective value of `course_module` is exactly the string `yes`, which is also the
/// default if the row, the array or the key is missing.
pub fn course_module_is_on(row: Option<&[u8]>) -> bool {
    let Some(text) = row.map(loose::trim) else {
        return true;
    };
    if !looks_serialized(text, Version::NEWEST) {
        // WordPress parses a plain string as a query string.
        let pairs: Vec<(String, String)> = serde_urlencoded::from_bytes(text).unwrap_or_default();
        let flag = pairs.iter().rev().find(|(name, _)| name == "course_module");
        return flag.is_none_or(|(_, value)| value == "yes");
    }
    match php::parse(text).as_ref().map(Value::as_array) {
        Ok(Some(features)) => features
            .get("course_module")
            .is_none_or(|value| value.as_bytes() == Some(b"yes")),
        _ => true,
    }
}

#[cfg(test)]
mod tests {
    use super::course_module_is_on;

    #[test]
    fn only_the_exact_string_yes_or_nothing_at_all_turns_courses_on() {
        for (row, on) in [
            (None, true),
            (Some(&b"a:0:{}"[..]), true),
            (Some(b"b:0;"), true),
            (Some(br#"a:1:{s:1:"x";s:2:"no";}"#), true),
            (Some(br#"a:1:{s:13:"course_module";s:3:"yes";}"#), true),
            (Some(br#"a:1:{s:13:"course_module";s:3:"YES";}"#), false),
            (Some(br#"a:1:{s:13:"course_module";s:2:"no";}"#), false),
            (Some(br#"a:1:{s:13:"course_module";b:1;}"#), false),
            (Some(br#"a:1:{s:13:"course_module";i:1;}"#), false),
            (Some(br#"a:1:{s:13:"course_module";N;}"#), false),
            (Some(b"course_module=no"), false),
            (Some(b"course_module=yes&x=1"), true),
            (Some(br#"{"course_module":"no"}"#), true),
        ] {
            assert_eq!(course_module_is_on(row), on, "{row:?}");
        }
    }
}
