//! Variables of a server, and what they say.

use std::collections::BTreeMap;

/// Variables by their names in lower case.
#[derive(Clone, Debug, Default)]
pub(super) struct Variables(BTreeMap<String, String>);

impl Variables {
    pub(super) fn insert(&mut self, name: &str, value: String) {
        self.0.insert(name.to_ascii_lowercase(), value);
    }

    /// The value; `None` if the server does not know the variable.
    pub(super) fn get(&self, name: &str) -> Option<&str> {
        self.0.get(name).map(String::as_str)
    }

    /// The same, but empty.
    pub(super) fn value(&self, name: &str) -> &str {
        self.get(name).unwrap_or_default()
    }

    /// Whether a variable is on.
    pub(super) fn is_on(&self, name: &str) -> bool {
        matches!(self.value(name), "ON" | "1" | "YES" | "TRUE")
    }
}

impl<const N: usize> From<[(&str, &str); N]> for Variables {
    fn from(said: [(&str, &str); N]) -> Self {
        Self(
            said.map(|(name, value)| (name.to_owned(), value.to_owned()))
                .into(),
        )
    }
}
