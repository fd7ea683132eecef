//! Reads and writes webhook records: the few facts of the serialised array that the tests need, found by plain scanning.

use std::collections::BTreeSet;

/// `running_count`, 0 when it is absent.
pub(crate) fn running_count(record: &str) -> u64 {
    let value = value_of(record, "running_count").unwrap_or_default();
    digits(value).last().copied().unwrap_or_default()
}

/// A record with these lists of ids, `yes` or `no` for the mail, and nothing else.
pub(crate) fn write(lists: &[(&str, &[u64])], welcome_mail: &str) -> String {
    let string = |text: &str| format!("s:{}:\"{text}\";", text.len());
    let mut record = format!("a:{}:{{", lists.len() + 1);
    for (name, ids) in lists {
        let items = ids.iter().enumerate();
        let items: Vec<String> = items.map(|(key, id)| format!("i:{key};i:{id};")).collect();
        let items = items.concat();
        record.push_str(&format!("{}a:{}:{{{items}}}", string(name), ids.len()));
    }
    record + &string("send_wp_welcome_email") + &string(welcome_mail) + "}"
}

/// The spaces and courses of a new user after one execution. `known` are the ids of spaces and courses that exist.
pub(crate) fn promised_spaces(record: &str, known: &BTreeSet<u64>) -> BTreeSet<u64> {
    let mut spaces = BTreeSet::new();
    for (list, is_added) in [
        ("course_ids", true),
        ("remove_course_ids", false),
        ("space_ids", true),
        ("remove_space_ids", false),
    ] {
        for id in ids(record, list) {
            if is_added && known.contains(&id) {
                spaces.insert(id);
            } else if !is_added {
                spaces.remove(&id);
            }
        }
    }
    spaces
}

/// The values of a list of ids, which are integers or strings of digits.
fn ids(record: &str, name: &str) -> Vec<u64> {
    let Some((_, list)) = value_of(record, name).and_then(|value| value.split_once('{')) else {
        return Vec::new();
    };
    let list = list.split('}').next().unwrap_or_default();
    // Keys and values alternate: `i:0;i:5;i:1;s:1:"6";`.
    list.split(';')
        .skip(1)
        .step_by(2)
        .filter_map(|value| digits(value).last().copied())
        .collect()
}

/// The text after a key, up to the value's end at the next `;` or, for a list, its `}`.
fn value_of<'a>(record: &'a str, key: &str) -> Option<&'a str> {
    let marker = format!("s:{}:\"{key}\";", key.len());
    let value = &record[record.find(&marker)? + marker.len()..];
    let end = if value.starts_with("a:") { '}' } else { ';' };
    value.get(..=value.find(end)?)
}

/// The numbers in a text. The last one of `i:7;` and of `s:1:"7";` is the value.
fn digits(text: &str) -> Vec<u64> {
    text.split(|character: char| !character.is_ascii_digit())
        .filter_map(|digits| digits.parse().ok())
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_count_is_read_as_an_integer_a_string_or_zero() {
        let title = r#"s:5:"title";s:4:"Hook";"#;
        for (record, count) in [
            (format!("a:1:{{{title}}}"), 0),
            (format!(r#"a:2:{{{title}s:13:"running_count";i:41;}}"#), 41),
            (
                format!(r#"a:2:{{{title}s:13:"running_count";s:1:"7";}}"#),
                7,
            ),
        ] {
            assert_eq!(running_count(&record), count, "{record}");
        }
    }

    #[test]
    fn a_written_record_is_one_that_php_could_have_written() {
        assert_eq!(
            write(&[("space_ids", &[4, 10]), ("course_ids", &[])], "no"),
            concat!(
                r#"a:3:{s:9:"space_ids";a:2:{i:0;i:4;i:1;i:10;}s:10:"course_ids";a:0:{}"#,
                r#"s:21:"send_wp_welcome_email";s:2:"no";}"#
            )
        );
    }

    #[test]
    fn promises_follow_the_order_of_the_lists_and_know_only_what_exists() {
        let known = BTreeSet::from([1, 2, 3, 5]);
        let record = concat!(
            r#"a:5:{s:10:"course_ids";a:2:{i:0;i:5;i:1;i:999;}s:9:"space_ids";a:3:{i:0;s:1:"1";i:1;s:1:"2";i:2;i:3;}"#,
            r#"s:17:"remove_course_ids";a:1:{i:0;i:2;}s:16:"remove_space_ids";a:1:{i:0;i:3;}s:5:"title";s:1:"x";}"#
        );
        assert_eq!(promised_spaces(record, &known), BTreeSet::from([1, 2, 5]));
        let strings = r#"a:2:{s:10:"course_ids";s:0:"";s:9:"space_ids";s:0:"";}"#;
        assert_eq!(promised_spaces(strings, &known), BTreeSet::new());
    }
}
