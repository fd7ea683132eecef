//! Parameters of a query string, under PHP's rules for [fields](super::fields).

use super::fields::{Field, Name};

/// The parameter `name` of a raw query string (without `?`), as `$_GET` would hold it.
///
/// Invalid UTF-8 becomes U+FFFD, which cannot turn a wrong webhook key or action into a right one.
#[must_use]
pub fn query_parameter(query: &str, name: &str) -> Option<Field> {
    last_of(query, name).map(|(field, _)| field)
}

/// The value of `name` in a raw query string, or its first element if it is an array.
///
/// FluentCommunity's query builder takes the first scalar of an array, so `webhook[]=KEY` finds
/// the webhook `KEY`. An element overwritten later under the same key still counts as the first.
#[must_use]
pub fn query_first_scalar(query: &str, name: &str) -> Option<Vec<u8>> {
    last_of(query, name).map(|(field, first)| match field {
        Field::Text(value) => value,
        Field::Array => first,
    })
}

/// The value of `name` in PHP after the whole query, with the first element if it is an array.
fn last_of(query: &str, name: &str) -> Option<(Field, Vec<u8>)> {
    let pairs = serde_urlencoded::from_str::<Vec<(String, String)>>(query).ok()?;
    let mut found: Option<(Field, Vec<u8>)> = None;
    for (key, value) in pairs {
        let is_array = matches!(found, Some((Field::Array, _)));
        match Name::parse(key.as_bytes()) {
            Name::Scalar(key) if key == name.as_bytes() => {
                found = Some((Field::Text(value.into_bytes()), Vec::new()));
            }
            Name::Element(key) if key == name.as_bytes() && !is_array => {
                found = Some((Field::Array, value.into_bytes()));
            }
            Name::TooDeep(key) if key == name.as_bytes() => found = None,
            _ => {}
        }
    }
    found
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn text(value: &[u8]) -> Field {
        Field::Text(value.to_vec())
    }

    #[test]
    fn the_query_follows_the_same_rules() {
        assert_eq!(
            query_parameter("a=1&webhook=K", "webhook"),
            Some(text(b"K"))
        );
        assert_eq!(
            query_parameter("webhook=K&webhook=", "webhook"),
            Some(text(b""))
        );
        assert_eq!(
            query_parameter("fcom.action=x+y", "fcom_action"),
            Some(text(b"x y"))
        );
        assert_eq!(
            query_parameter("fcom_action[]=x", "fcom_action"),
            Some(Field::Array)
        );
        assert_eq!(query_parameter("a=webhook", "webhook"), None);
    }

    #[test]
    fn an_array_in_the_query_stands_for_its_first_scalar() {
        for (query, expected) in [
            ("webhook=K", Some("K")),
            ("webhook[]=K", Some("K")),
            ("webhook[a][b]=K&webhook[]=L", Some("K")),
            ("webhook=K&webhook[]=L", Some("L")),
            ("webhook[]=K&webhook=L", Some("L")),
            ("webhoo[]=K", None),
        ] {
            let first = query_first_scalar(query, "webhook");
            assert_eq!(first.as_deref(), expected.map(str::as_bytes), "{query}");
        }
    }

    proptest! {
        #[test]
        fn any_query_is_read_without_panic(query: String) {
            let _ = query_parameter(&query, "webhook");
            let _ = query_first_scalar(&query, "webhook");
        }

        #[test]
        fn ordinary_pairs_come_back_unchanged(
            pairs in prop::collection::btree_map("[a-z_]{1,12}", any::<String>(), 0..20)
        ) {
            let query = serde_urlencoded::to_string(&pairs).unwrap();
            for (name, value) in &pairs {
                prop_assert_eq!(query_parameter(&query, name), Some(text(value.as_bytes())));
            }
        }
    }
}
