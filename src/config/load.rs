//! Merges the configuration layers and resolves every section. Mirrors nothing in PHP.
//!
//! The `config` crate parses TOML and keeps each value's origin. Merging happens here, option by option, because each
//! layer is checked separately, so that an unknown name is reported with the layer it comes from.

use std::collections::{BTreeMap, BTreeSet, HashMap};
use std::ffi::OsString;
use std::fs;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use ::config::{FileFormat, Format, Value, ValueKind};

use super::known_keys::{all, is_section, nearest};
use super::problem::{ConfigError, Problem, Reported};
use super::settings::{Fingerprints, Origins, Settings};
use super::source;
use super::wp_config::WpConfig;
use super::{
    Admin, Blog, Database, Limits, Log, Mail, Otlp, Protection, Refused, Relay, Runs, Server,
    Shadow, Shown, Smtp, WordPress, protection, refused, shown,
};
use crate::source::Source;

const DEFAULTS: &str = include_str!("../../deploy/config.default.toml");
const VARIABLE_PREFIX: &str = "FCOM_SIDECAR__";

/// Where options come from, besides the built-in defaults. May hold secrets, hence no `Debug`.
#[derive(Clone, Default)]
pub struct Sources {
    /// A TOML file, which must exist if given.
    pub file: Option<PathBuf>,
    /// Environment variables: those that start with `FCOM_SIDECAR__` are options, `wp-config.php` may ask for others.
    pub environment: Vec<(String, String)>,
    /// Options from the command line, as dotted keys such as `server.listen`.
    pub overrides: Vec<(String, String)>,
}

/// The resolved configuration: checked, complete, and printable without secrets.
#[derive(Debug, Clone)]
pub struct Config {
    /// `[server]`
    pub server: Server,
    /// `[admin]`
    pub admin: Admin,
    /// `[wordpress]`
    pub wordpress: WordPress,
    /// `[database]`
    pub database: Database,
    /// `[smtp]`
    pub smtp: Smtp,
    /// `[mail]`
    pub mail: Mail,
    /// `[limits]`
    pub limits: Limits,
    /// `[protection.NAME]`, each
    pub protections: Vec<Protection>,
    /// `[source.NAME]`, each
    pub sources: Vec<Arc<Source>>,
    /// `[relay]`
    pub relay: Relay,
    /// `[runs]`
    pub runs: Runs,
    /// `[refused]`
    pub refused: Refused,
    /// `[shadow]`
    pub shadow: Shadow,
    /// `[log]`
    pub log: Log,
    /// `[otlp]`, if there is a collector
    pub otlp: Option<Otlp>,
    /// The files that hold secrets: those that options name, and the configuration file if secrets stand in it.
    pub secret_files: BTreeSet<PathBuf>,
    /// A fingerprint of each option's value.
    pub(super) given: Fingerprints,
    /// Where each option was set.
    pub(super) origins: Origins,
    shown: Vec<Shown>,
}

impl Sources {
    /// The variables that are text. Of one that is an option and no text, what is no text becomes U+FFFD, and [`Config::load`]
    /// refuses it.
    pub fn environment_of(
        variables: impl Iterator<Item = (OsString, OsString)>,
    ) -> Vec<(String, String)> {
        let text = |(name, value): (OsString, OsString)| {
            let name = name.into_string().ok()?;
            match value.into_string() {
                Ok(value) => Some((name, value)),
                Err(value) if name.starts_with(VARIABLE_PREFIX) => {
                    Some((name, value.to_string_lossy().into_owned()))
                }
                Err(_) => None,
            }
        };
        variables.filter_map(text).collect()
    }
}

impl Config {
    /// What the calls of this webhook look like, unless it is PHP's form.
    pub fn source_of(&self, webhook_id: u64) -> Option<&Arc<Source>> {
        let mut sources = self.sources.iter();
        sources.find(|source| source.webhook_id == webhook_id)
    }

    /// Merges defaults, file, environment and overrides (each overrides the one before), reads the files that the
    /// result names (secrets, WordPress's own) and checks everything.
    ///
    /// # Errors
    /// All problems found, each with its option and a remedy.
    pub fn load(sources: Sources) -> Result<Self, ConfigError> {
        let mut settings = Settings::default();
        let environment = sources.environment.iter().cloned().collect();
        let file = sources.file.clone();
        let layers = match layers(sources, &mut settings) {
            Ok(layers) => layers,
            Err(reported) => return settings.finish(Err(reported)),
        };
        for (key, value) in layers {
            if is_option(&key) {
                settings.set(key, value);
            } else {
                settings.note(unknown(&key, &value));
            }
        }

        let resolved = Self::resolve(&mut settings, &environment, file.as_deref());
        settings.finish(resolved)
    }

    /// The options that differ from another configuration's, including the content of secret files.
    pub fn changed_since(&self, before: &Self) -> Vec<String> {
        self.given.differ_from(&before.given)
    }

    /// What of the site's location differs from another configuration's because WordPress's own files say so. Nothing if
    /// the operator's options for it differ, too.
    pub fn moved_since(&self, before: &Self) -> Vec<&'static str> {
        let is_given = |key: &String| {
            ["database.", "wordpress."]
                .iter()
                .any(|section| key.starts_with(section))
        };
        if self.changed_since(before).iter().any(is_given) {
            return Vec::new();
        }
        let (now, then) = (&self.wordpress, &before.wordpress);
        let id = |blog: &Option<Blog>| blog.as_ref().map(|blog| (blog.id, blog.prefix.clone()));
        let differences = [
            (
                !self.database.target.is_same(&before.database.target),
                "database or account for it",
            ),
            (now.table_prefix != then.table_prefix, "table prefix"),
            (now.users_table != then.users_table, "users table"),
            (now.usermeta_table != then.usermeta_table, "usermeta table"),
            (id(&now.blog) != id(&then.blog), "site of the network"),
        ];
        let differences = differences.into_iter().filter(|(differs, _)| *differs);
        differences.map(|(_, what)| what).collect()
    }

    /// Builds a problem that code outside the configuration found with an option, and adds where the option was set.
    pub fn refuse(&self, key: &str, value: &str, what: &str, remedy: &str) -> Problem {
        let what = format!("{value:?} {what}{}", self.origins.of(key));
        Problem::new(key, what, remedy)
    }

    /// Treats these options as if they had been set as in another configuration.
    pub fn keep_given(&mut self, other: &Self, is_kept: impl Fn(&str) -> bool) {
        self.given.keep(&other.given, &is_kept);
        self.shown.retain(|one| !is_kept(&one.key));
        let kept = other.shown.iter().filter(|one| is_kept(&one.key));
        self.shown.extend(kept.cloned());
        shown::sort(&mut self.shown);
    }

    /// The options in force, without secrets.
    pub fn shown(&self) -> &[Shown] {
        &self.shown
    }

    fn resolve(
        settings: &mut Settings,
        environment: &BTreeMap<String, String>,
        file: Option<&Path>,
    ) -> Result<Self, Reported> {
        let site = WpConfig::read(settings, environment);
        let site = site
            .as_ref()
            .map(Option::as_ref)
            .map_err(|reported| *reported);
        // Every section is read before the first failure is returned, so that all problems are noted.
        let server = Server::read(settings);
        let admin = Admin::read(settings);
        let wordpress = WordPress::read(settings, site);
        let database = Database::read(settings, site);
        let smtp = Smtp::read(settings);
        let mail = Mail::read(settings);
        let limits = Limits::read(settings);
        let protections = Protection::read_all(settings);
        let sources = source::read_all(settings, flatten);
        let relay = Relay::read(settings);
        let runs = Runs::read(settings);
        let runs_kept = runs.as_ref().map(|runs| runs.retention_days).ok();
        let refused = Refused::read(settings, runs_kept);
        let shadow = Shadow::read(
            settings,
            protections.as_deref().unwrap_or_default(),
            sources.as_deref().unwrap_or_default(),
        );
        let log = Log::read(settings);
        let otlp = Otlp::read(settings);
        let wordpress = wordpress?;
        let mut shown = shown::read(settings, |key| is_option(&format!("{key}_file")));
        shown::add_found(&mut shown, settings, &wordpress);
        Ok(Self {
            shown,
            server: server?,
            admin: admin?,
            wordpress,
            database: database?,
            smtp: smtp?,
            mail: mail?,
            limits: limits?,
            protections: protections?,
            sources: sources?,
            relay: relay?,
            runs: runs?,
            refused: refused?,
            shadow: shadow?,
            log: log?,
            otlp: otlp?,
            secret_files: secret_files(settings, file),
            given: settings.fingerprints(),
            origins: settings.origins(),
        })
    }
}

fn is_option(key: &str) -> bool {
    all().any(|known| known == key)
        || protection::TABLES.is_option(key)
        || source::TABLES.is_option(key)
}

/// An option is a secret if another one names a file for it. The key of kept fields is only ever in a file.
fn secret_files(settings: &Settings, file: Option<&Path>) -> BTreeSet<PathBuf> {
    let mut files = BTreeSet::new();
    for key in settings.keys().filter(|key| settings.is_given(key)) {
        if key == refused::KEY_FILE || key.strip_suffix("_file").is_some_and(is_option) {
            files.extend(settings.text(key).map(PathBuf::from));
        } else if is_option(&format!("{key}_file")) {
            files.extend(
                file.filter(|file| settings.is_from(key, file))
                    .map(Path::to_path_buf),
            );
        }
    }
    files
}

/// All values, weakest layer first, by dotted key. If the file is not valid TOML, its options are unknown, so the rest
/// is not checked.
fn layers(sources: Sources, settings: &mut Settings) -> Result<Vec<(String, Value)>, Reported> {
    let defaults = FileFormat::Toml.parse(None, DEFAULTS);
    let mut values = flatten(defaults.expect("the built-in defaults are TOML"));
    if let Some(path) = sources.file {
        let table = read_file(&path).map_err(|problem| settings.note(problem))?;
        values.extend(flatten(table));
    }
    for (name, value) in sources.environment {
        if let Some(rest) = name.strip_prefix(VARIABLE_PREFIX) {
            if value.contains(char::REPLACEMENT_CHARACTER) {
                settings.note(Problem::new(name, "is not UTF-8", "write it in UTF-8"));
                continue;
            }
            let key = rest.to_ascii_lowercase().replace("__", ".");
            values.push((key, Value::new(Some(&name), value)));
        } else if let Some(key) = all().find(|key| name == variable(key).replace("__", "_")) {
            let remedy = format!("write {}, with two underscores each time", variable(key));
            settings.note(Problem::new(name, "is not an option", remedy));
        }
    }
    let origin = "the command line".to_owned();
    let overrides = sources.overrides.into_iter();
    values.extend(overrides.map(|(key, value)| (key, Value::new(Some(&origin), value))));
    Ok(values)
}

/// The variable that sets an option.
fn variable(key: &str) -> String {
    format!(
        "{VARIABLE_PREFIX}{}",
        key.replace('.', "__").to_ascii_uppercase()
    )
}

fn read_file(path: &Path) -> Result<HashMap<String, Value>, Problem> {
    let name = path.display().to_string();
    let text = fs::read_to_string(path).map_err(|error| {
        let remedy = "name a TOML file that the daemon's user can read";
        Problem::new(&name, format!("cannot be read: {error}"), remedy)
    })?;
    FileFormat::Toml.parse(Some(&name), &text).map_err(|error| {
        // Keep only the first and last line: between them, the parser's message quotes a line that may hold a password.
        let message = error.to_string();
        let mut lines = message.lines().filter(|line| !line.is_empty());
        let first = lines.next().unwrap_or_default();
        let what = lines.next_back().map_or_else(
            || format!("is not valid TOML: {first}"),
            |last| format!("{first}: {last}"),
        );
        Problem::new(
            &name,
            what,
            "correct that line; texts stand in double quotes",
        )
    })
}

/// Turns nested tables into dotted keys, in alphabetical order. An empty table is kept as a value.
fn flatten(table: HashMap<String, Value>) -> Vec<(String, Value)> {
    let mut values = Vec::new();
    for (key, value) in table {
        match value.kind {
            ValueKind::Table(inner) if !inner.is_empty() => values.extend(
                flatten(inner)
                    .into_iter()
                    .map(|(rest, value)| (format!("{key}.{rest}"), value)),
            ),
            ValueKind::Table(_) if is_section(&key) => {}
            _ => values.push((key, value)),
        }
    }
    values.sort_by(|(a, _), (b, _)| a.cmp(b));
    values
}

fn unknown(key: &str, value: &Value) -> Problem {
    let from = value.origin().unwrap_or("the defaults");
    let mut tables = [protection::TABLES, source::TABLES].into_iter();
    if let Some(tables) = tables.find(|one| key.split('.').next() == Some(one.section)) {
        let (section, options) = (tables.section, tables.options.join(", "));
        let remedy =
            format!("write [{section}.NAME] with a name of your choice, and in it: {options}");
        return Problem::new(key, format!("is not an option (from {from})"), remedy);
    }
    if is_section(key) {
        let remedy = format!("set the options in it, such as {}", nearest_in(key));
        return Problem::new(
            key,
            format!("is a section, not an option (from {from})"),
            remedy,
        );
    }
    let remedy = match nearest(key) {
        Some(known) => format!(
            "did you mean {known} ({})? Otherwise remove it",
            variable(known)
        ),
        None => "remove it; deploy/config.default.toml lists every option".to_owned(),
    };
    Problem::new(key, format!("is not an option (from {from})"), remedy)
}

fn nearest_in(section: &str) -> &'static str {
    all()
        .find(|key| key.split('.').next() == Some(section))
        .unwrap_or_default()
}

#[cfg(test)]
mod tests;
