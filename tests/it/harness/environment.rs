//! Environment variables that repeat or prolong a run.

/// A variable's value, or its default.
#[expect(clippy::disallowed_methods, reason = "only a test reads these")]
pub(crate) fn setting<T: std::str::FromStr>(name: &str, otherwise: impl FnOnce() -> T) -> T {
    let set = std::env::var(name).ok();
    set.and_then(|text| text.parse().ok())
        .unwrap_or_else(otherwise)
}
