//! Loads the configuration: the operator's options and the settings in the site's own `wp-config.php`.
//!
//! [`Config::load`] merges four layers, option by option: the embedded `deploy/config.default.toml`, a TOML file, the
//! environment (`FCOM_SIDECAR__SECTION__KEY`) and the command line. Each section owns its options, their checks and its
//! immutable result. All problems are collected, so that one start reports all of them.
//!
//! With `wordpress.root` set, options that are not set come from WordPress's files, which are followed but never run:
//! `wp-config.php` (found as `wp-load.php` finds it), what it includes, and `wp-includes/version.php`.

mod address;
mod admin;
mod content;
mod database;
mod db_host;
mod known_keys;
mod limits;
mod load;
mod log;
mod mail;
mod otlp;
mod php;
mod problem;
mod protection;
mod refused;
mod relay;
mod runs;
mod server;
mod settings;
mod shadow;
mod shown;
mod smtp;
mod source;
mod tables;
mod wordpress;
mod wp_config;
mod wp_version;

pub use address::host_name;
pub use admin::{Admin, LONGEST_OLD_KEY_HOURS};
pub use content::Content;
pub use database::{Database, Target};
pub use db_host::{Host, Sockets};
pub use limits::Limits;
pub use load::{Config, Sources};
pub use log::{Log, LogFormat};
pub use mail::{Mail, Transport};
pub use otlp::Otlp;
pub use problem::{ConfigError, Problem};
pub use protection::{ProtectedWebhook, Protection};
pub use refused::{KeptFields, Refused};
pub use relay::{Relay, Wake};
pub use runs::Runs;
pub use server::{ForwardingHeader, Listen, Server};
pub use shadow::Shadow;
pub use shown::Shown;
pub use smtp::{Smtp, SmtpTls};
pub use wordpress::{Blog, NetworkAddress, PasswordHash, WordPress};
#[cfg(any(test, fuzzing))]
pub(crate) use wp_config::read_php;
pub use wp_version::read_file as read_version_file;
