//! Sanitises the texts of a new user as WordPress does before it stores them (5.9 – 7.1).

pub mod accents;
pub mod email;
mod entities;
mod kses;
pub mod meta_value;
pub mod name;
pub mod nicename;
pub mod strip_tags;
pub mod user_name;

use super::version::Version;

/// The properties of a site that decide how its texts are sanitised.
#[derive(Copy, Clone, Debug)]
pub struct Rules<'a> {
    /// `get_locale()`: the option `WPLANG`, or `en_US` when that is empty.
    pub locale: &'a str,
    /// The release whose differences apply.
    pub version: Version,
    /// Whether the site belongs to a network; user names are lower-cased there.
    pub multisite: bool,
}
