//! Checks whether PHP executes protected webhooks, and those with a source, for whoever has the key.
//!
//! The probe is a call that every web server of `deploy/` gives to PHP, because its action stands in the body, with a key
//! that no webhook has. The must-use plugin marks its answer; FluentCommunity answers that there is no such webhook.

use reqwest::header::HeaderMap;
use serde_json::Value;
use url::Url;

use super::report::Finding;
use super::web_server::{Answer, cause, probe};
use crate::config::Config;
use crate::db::{Connection, Statements, TableNames};
use crate::operations::guard::{self, LEVEL};

pub(super) const GUARD: &str = "guard";

const NO_SOURCES: &str = "PHP knows no sources: while the daemon is down it answers their JSON with 200 and does nothing, and who has \
     the key needs no signature there";

/// The plugin's mark.
const MARK: &str = "x-fcom-sidecar-guard";
/// The daemon's.
const REQUEST_ID: &str = "x-request-id";

/// What the site's address tells of the plugin.
#[derive(Debug, PartialEq, Eq)]
enum Door {
    Guarded,
    Unguarded(&'static str),
    /// It does not tell, and why.
    Unknown(String),
}

pub(super) async fn check(
    config: &Config,
    tables: &TableNames,
    connection: &mut Connection,
    portal: Option<&Url>,
) -> Finding {
    if config.protections.is_empty() && config.sources.is_empty() {
        return Finding::ok(GUARD, "not needed: no webhook is protected or has a source");
    }
    if !guard::subjects(config).is_empty() {
        let statements = Statements::render(tables);
        // Without the table nothing has been said there.
        let seen = guard::seen(connection, &statements).await.unwrap_or(None);
        let content = &config.wordpress.content;
        let evidence = guard::evidence(content, seen);
        let door = match portal {
            Some(portal) => ask(portal).await,
            None => Door::Unknown("the portal's address is not known".to_owned()),
        };
        let why = match (door, evidence) {
            (Door::Guarded, _) => Ok("the site's answer says so".to_owned()),
            (Door::Unguarded(why), _) => Err(why.to_owned()),
            (Door::Unknown(unasked), Ok(why)) => {
                Ok(format!("{why}; the site cannot be asked: {unasked}"))
            }
            (Door::Unknown(unasked), Err(why)) => {
                Err(format!("{why}; the site cannot be asked: {unasked}"))
            }
        };
        match why {
            Err(why) => {
                let problem = guard::problem(config, &Err(why.clone()));
                return match problem {
                    Some(problem) => Finding::failed(GUARD, problem.what, problem.remedy),
                    None => Finding::warning(
                        GUARD,
                        format!("{NO_SOURCES}: {why}"),
                        guard::remedy(content),
                    ),
                };
            }
            Ok(why) if guard::left_open(config).is_empty() => {
                return Finding::ok(GUARD, format!("PHP refuses protected webhooks: {why}"));
            }
            Ok(_) => {}
        }
    }
    let open = guard::left_open(config).join(", ");
    Finding::warning(
        GUARD,
        format!("PHP executes these webhooks for whoever has their key: {open} (php_may_execute)"),
        "install deploy/mu-plugin/fcom-sidecar.php, and remove php_may_execute: PHP then refuses them, also while the \
         sidecar is down",
    )
}

async fn ask(portal: &Url) -> Door {
    const FORM: &str = "application/x-www-form-urlencoded";
    match probe(portal, &[], FORM, "fcom_action=incoming_webhook").await {
        Ok(answer) => judge(&answer),
        Err(error) => Door::Unknown(cause(&error)),
    }
}

fn judge(answer: &Answer) -> Door {
    let number = |headers: &HeaderMap| headers.get(MARK)?.to_str().ok()?.parse::<u32>().ok();
    match number(&answer.headers) {
        Some(level) if level >= LEVEL => return Door::Guarded,
        Some(_) => return Door::Unguarded("the site has the must-use plugin of an older release"),
        None => {}
    }
    let words: Value = serde_json::from_slice(&answer.body).unwrap_or_default();
    let is_daemon = answer.headers.contains_key(REQUEST_ID);
    if answer.status == 404 && words["status"] == "error" && !is_daemon {
        return Door::Unguarded("FluentCommunity answers where the must-use plugin should");
    }
    Door::Unknown(format!("its answer is another one ({})", answer.status))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_the_plugins_mark_counts_and_only_fluentcommunitys_words_count_against_it() {
        let not_found = r#"{"status":"error","message":"Webhook not found"}"#;
        let unguarded = |why| Door::Unguarded(why);
        let older = "the site has the must-use plugin of an older release";
        let open = "FluentCommunity answers where the must-use plugin should";
        for (status, header, body, expected) in [
            (404, Some((MARK, "1")), not_found, Door::Guarded),
            (200, Some((MARK, "2")), "<html>", Door::Guarded),
            (404, Some((MARK, "0")), not_found, unguarded(older)),
            (404, None, not_found, unguarded(open)),
        ] {
            assert_eq!(judge(&answer(status, header, body)), expected);
        }
        for (status, header, body) in [
            (404, Some((REQUEST_ID, "a")), not_found),
            (404, None, "<html>"),
            (200, None, "<html>"),
            (403, None, not_found),
        ] {
            let door = judge(&answer(status, header, body));
            assert!(matches!(door, Door::Unknown(_)), "{door:?}");
        }
    }

    fn answer(status: u16, header: Option<(&'static str, &str)>, body: &str) -> Answer {
        let header = header.map(|(name, value)| (name.parse().unwrap(), value.parse().unwrap()));
        Answer {
            status,
            headers: HeaderMap::from_iter(header),
            body: body.as_bytes().to_vec(),
        }
    }
}
