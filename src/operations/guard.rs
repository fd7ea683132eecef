//! The guard of PHP's own door. WordPress can execute a webhook, too, for whoever has its key: what the web server does not
//! hand over, and everything while the daemon is down. The must-use plugin refuses there what a table of ours names, and
//! says in the same table that it works. Mirrors nothing in PHP.

use std::fs;
use std::path::{Path, PathBuf};
use std::time::Duration;

use sha2::{Digest, Sha256};
use sqlx::FromRow;

use crate::config::{Config, Content, Problem, ProtectedWebhook, Protection};
use crate::db::{Connection, DatabaseError, Doing, Statements};

/// The guard that this release needs: `GUARD` in `deploy/mu-plugin/fcom-sidecar.php`.
pub const LEVEL: u32 = 1;

/// The plugin's file.
const FILE: &str = "fcom-sidecar.php";
/// How the file states its guard.
const DECLARATION: &str = "const GUARD = ";
/// For so long the plugin is believed to be there. It says so whenever WP-Cron or wp-admin runs; a site may be quiet for
/// days.
const TRUSTED_FOR: Duration = Duration::from_hours(7 * 24);
const DAY: u64 = 24 * 3600;

/// When the plugin last said that it works, and which guard it has.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Seen {
    /// Its [`LEVEL`].
    pub level: u32,
    /// How long ago, by the database's clock.
    pub age: Duration,
}

#[derive(FromRow)]
struct SeenRow {
    subject: String,
    age: i64,
}

/// What the table has to name: what is protected, and webhooks with a source, which PHP would read in its own way and without the sender's
/// signature. Nothing that PHP may execute.
pub fn subjects(config: &Config) -> Vec<String> {
    let protected = guarded(&config.protections).map(|one| subject(&one.webhook));
    let sourced = config.sources.iter().filter(|one| !one.php_may_execute);
    let sourced = sourced.map(|source| subject(&ProtectedWebhook::Id(source.webhook_id)));
    let mut subjects: Vec<String> = protected.chain(sourced).collect();
    // Daemons that write the same rows lock them in the same order.
    subjects.sort_unstable();
    subjects.dedup();
    subjects
}

fn guarded(protections: &[Protection]) -> impl Iterator<Item = &Protection> {
    protections.iter().filter(|one| !one.php_may_execute)
}

/// A title stands there as its hash: WordPress's connection may not have its characters.
fn subject(webhook: &ProtectedWebhook) -> String {
    match webhook {
        ProtectedWebhook::Id(id) => format!("webhook {id}"),
        ProtectedWebhook::Title(title) => {
            format!("title {}", hex::encode(Sha256::digest(title)))
        }
    }
}

/// Confirms the subjects, deletes those that no daemon confirms any more, and returns what the plugin says.
///
/// # Errors
/// A statement failed.
pub async fn keep(
    connection: &mut Connection,
    statements: &Statements,
    subjects: &[String],
) -> Result<Option<Seen>, DatabaseError> {
    const DOING: &str = "name the webhooks that PHP must not execute";
    if !subjects.is_empty() {
        let sql = statements.confirm_guarded.repeated(subjects.len());
        let mut confirmed = sqlx::query(sql);
        for subject in subjects {
            confirmed = confirmed.bind(subject);
        }
        confirmed.execute(&mut *connection).await.doing(DOING)?;
    }
    let pruned = sqlx::query(statements.prune_guarded.sql());
    pruned.execute(&mut *connection).await.doing(DOING)?;
    seen(connection, statements).await
}

/// What the plugin says; `None` if it never ran with this database and prefix, or has no guard.
///
/// # Errors
/// The statement failed.
pub async fn seen(
    connection: &mut Connection,
    statements: &Statements,
) -> Result<Option<Seen>, DatabaseError> {
    let row: Option<SeenRow> = sqlx::query_as(statements.guard_seen.sql())
        .fetch_optional(connection)
        .await
        .doing("look whether the must-use plugin guards PHP's door")?;
    Ok(row.and_then(|row| {
        Some(Seen {
            level: row.subject.strip_prefix("guard ")?.parse().ok()?,
            age: Duration::from_secs(u64::try_from(row.age).unwrap_or_default()),
        })
    }))
}

/// Whether the must-use plugin works, as far as its file and the table tell.
///
/// # Errors
/// Why not, in words.
pub fn evidence(content: &Content, seen: Option<Seen>) -> Result<String, String> {
    let file = match on_disk(content) {
        Ok((path, level)) if level >= LEVEL => return Ok(format!("{} is there", path.display())),
        Ok((path, _)) => Some(format!("{} is of a release without it", path.display())),
        Err(why) => why,
    };
    let Some(Seen { level, age }) = seen else {
        let never = "the must-use plugin has never said that it works";
        return Err(file.unwrap_or_else(|| never.to_owned()));
    };
    let days = age.as_secs() / DAY;
    if level < LEVEL {
        return Err(file.unwrap_or_else(|| "the must-use plugin is of an older release".to_owned()));
    }
    if age > TRUSTED_FOR {
        let long_ago = format!("the must-use plugin last said that it works {days} days ago");
        return Err(file.unwrap_or(long_ago));
    }
    Ok(format!(
        "the must-use plugin said that it works {} minutes ago",
        age.as_secs() / 60
    ))
}

/// The file and its guard; 0 is none. Or why there is nothing to be seen: `None` if the daemon does not see the site's
/// files.
fn on_disk(content: &Content) -> Result<(PathBuf, u32), Option<String>> {
    let path = Path::new(&content.must_use_plugins).join(FILE);
    if path.is_relative() || content.obscured().is_some() {
        return Err(None);
    }
    let Ok(text) = fs::read_to_string(&path) else {
        return Err(Some(format!("{} is not there", path.display())));
    };
    let level = text.lines().find_map(|line| {
        let number = line.strip_prefix(DECLARATION)?.strip_suffix(';')?;
        number.parse().ok()
    });
    Ok((path, level.unwrap_or(0)))
}

/// What keeps the daemon from serving these protections: PHP executes their webhooks for whoever has the key.
pub fn problem(config: &Config, evidence: &Result<String, String>) -> Option<Problem> {
    let why = evidence.as_ref().err()?;
    let tables: Vec<String> = guarded(&config.protections)
        .map(|one| format!("protection.{}", one.name))
        .collect();
    (!tables.is_empty()).then(|| Problem {
        key: tables.join(", "),
        what: format!("{OPEN}: {why}"),
        remedy: format!(
            "{}. Or accept it with php_may_execute = true in the table",
            remedy(&config.wordpress.content)
        ),
    })
}

/// What is wrong without a guard.
const OPEN: &str = "PHP would execute the webhook for whoever has its key";

/// What to do about it.
pub fn remedy(content: &Content) -> String {
    format!(
        "copy deploy/mu-plugin/fcom-sidecar.php (in the package: /usr/share/fcom-sidecar/mu-plugin) to {}, then open wp-admin \
         once: the plugin says in the sidecar's table that it works",
        content.must_use_plugins
    )
}

/// The tables of the configuration whose webhooks PHP may execute.
pub fn left_open(config: &Config) -> Vec<String> {
    let protections = config.protections.iter();
    let protections = protections.filter(|one| one.php_may_execute);
    let protections =
        protections.map(|one| (format!("protection.{}", one.name), subject(&one.webhook)));
    let sources = config.sources.iter().filter(|one| one.php_may_execute);
    let sources = sources.map(|one| {
        let webhook = ProtectedWebhook::Id(one.webhook_id);
        (format!("source.{}", one.name), subject(&webhook))
    });
    let shut = subjects(config);
    let open = protections.chain(sources);
    open.filter(|(_, subject)| !shut.contains(subject))
        .map(|(table, _)| table)
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::config::Sources;

    fn config(tables: &[(&str, &str)]) -> Config {
        let given = |(key, value): &(&str, &str)| ((*key).to_owned(), (*value).to_owned());
        let mut overrides: Vec<_> = tables.iter().map(given).collect();
        overrides.push((
            "database.url".to_owned(),
            "mysql://u:p@db.example/site".to_owned(),
        ));
        let sources = Sources {
            overrides,
            ..Sources::default()
        };
        Config::load(sources).unwrap()
    }

    #[test]
    fn each_webhook_that_php_must_not_execute_is_named_once_and_no_other() {
        let config = config(&[
            ("protection.b.webhook_id", "12"),
            ("protection.b.allowed_networks", "192.0.2.1"),
            ("protection.a.webhook_id", "12"),
            ("protection.a.allowed_networks", "192.0.2.2"),
            ("protection.t.webhook_title", "abc"),
            ("protection.t.allowed_networks", "192.0.2.2"),
            ("protection.open.webhook_id", "13"),
            ("protection.open.allowed_networks", "192.0.2.2"),
            ("protection.open.php_may_execute", "true"),
            ("source.a.webhook_id", "12"),
            ("source.a.body", "json"),
            ("source.open.webhook_id", "13"),
            ("source.open.body", "json"),
            ("source.open.php_may_execute", "true"),
            ("source.alone.webhook_id", "14"),
            ("source.alone.body", "json"),
        ]);
        // FIPS 180-2.
        let title = "title ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad";
        assert_eq!(subjects(&config), [title, "webhook 12", "webhook 14"]);
        assert_eq!(left_open(&config), ["protection.open", "source.open"]);
        let alone = self::config(&[
            ("source.shop.webhook_id", "12"),
            ("source.shop.body", "json"),
            ("source.shop.php_may_execute", "true"),
        ]);
        assert!(subjects(&alone).is_empty());
        assert_eq!(left_open(&alone), ["source.shop"]);
        // What PHP refuses for a protection is not open.
        let shut = self::config(&[
            ("protection.shop.webhook_id", "12"),
            ("protection.shop.allowed_networks", "192.0.2.1"),
            ("source.shop.webhook_id", "12"),
            ("source.shop.body", "json"),
            ("source.shop.php_may_execute", "true"),
        ]);
        assert!(left_open(&shut).is_empty());
        let problem = problem(&config, &Err("nobody".to_owned())).unwrap();
        assert!(problem.remedy.contains("to wp-content/mu-plugins, "));
        assert_eq!(problem.key, "protection.a, protection.b, protection.t");
    }

    #[test]
    fn the_plugin_is_believed_by_its_file_or_by_what_it_said_lately() {
        let folder = tempfile::tempdir().unwrap();
        let content = |folder: Option<PathBuf>| Content {
            doubt: folder.is_none().then(|| "elsewhere".to_owned()),
            must_use_plugins: folder
                .as_ref()
                .map_or("wp-content/mu-plugins".to_owned(), |folder| {
                    folder.display().to_string()
                }),
            folder,
            translations: None,
        };
        let here = content(Some(folder.path().to_owned()));
        let elsewhere = content(None);
        let said = |level, days| {
            let age = Duration::from_secs(days * DAY);
            Some(Seen { level, age })
        };
        let judge = |content: &Content, seen| {
            evidence(content, seen)
                .map_err(|why| why.replace(&folder.path().display().to_string(), ""))
        };
        assert!(judge(&elsewhere, said(LEVEL, 6)).is_ok());
        // The daemon may see other files than PHP does.
        assert!(judge(&here, said(LEVEL, 6)).is_ok());
        for (content, seen, why) in [
            (
                &elsewhere,
                None,
                "the must-use plugin has never said that it works",
            ),
            (
                &elsewhere,
                said(LEVEL, 8),
                "the must-use plugin last said that it works 8 days ago",
            ),
            (
                &elsewhere,
                said(LEVEL - 1, 0),
                "the must-use plugin is of an older release",
            ),
            (&here, None, "/fcom-sidecar.php is not there"),
        ] {
            assert_eq!(judge(content, seen).unwrap_err(), why);
        }
        let shipped = concat!(
            env!("CARGO_MANIFEST_DIR"),
            "/deploy/mu-plugin/fcom-sidecar.php"
        );
        let shipped = fs::read_to_string(shipped).unwrap();
        fs::write(folder.path().join(FILE), &shipped).unwrap();
        assert!(judge(&here, None).is_ok());
        let older = shipped.replace(DECLARATION, "const OTHER = ");
        fs::write(folder.path().join(FILE), older).unwrap();
        let why = "/fcom-sidecar.php is of a release without it";
        assert_eq!(judge(&here, None).unwrap_err(), why);
    }
}
