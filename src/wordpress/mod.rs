//! Implements WordPress's rules and rows: users, their meta, roles, passwords, texts and times. Does not depend on
//! FluentCommunity, HTTP or the configuration.

pub mod application_passwords;
pub mod blog;
pub mod catalogue;
pub mod file_stamp;
pub mod options;
pub mod password;
pub mod php;
pub mod reset_key;
pub mod roles;
pub mod sanitize;
pub mod special_chars;
pub mod time;
pub mod usermeta;
pub mod users;
pub mod version;
