//! Shadow mode: PHP executes the calls, and what it leaves is compared with what the sidecar would have left. The call is rehearsed
//! before PHP gets it, and the rows are read once PHP has answered. Nothing is written but the record of the comparison.
//!
//! `rows`, `table` and `answer` compare, and `agreed` knows the documented differences: all of them are pure. `record` has the rows of our own table.

mod agreed;
mod answer;
mod exchange;
mod findings;
mod plan;
mod record;
mod rows;
mod scene;
mod table;

use std::sync::Arc;
use std::time::Instant;

use secrecy::{ExposeSecret, SecretSlice, SecretString};
use sqlx::FromRow;

use self::agreed::explanation;
pub use self::agreed::{BROKEN_MULTIPART, GET, HEAD, JSON, KEY_IN_BODY, Sent, TOO_MANY_FIELDS};
use self::answer::Expected;
pub use self::exchange::{Heard, Told};
use self::findings::Mask;
pub use self::findings::{Difference, Findings};
use self::plan::Plan;
pub use self::plan::Wanted;
pub use self::record::prune_shadow;
use self::record::{Ended, Record};
use self::scene::{Circumstances, Comparison, Password, Planned};
use super::opens::opens_in_php;
use super::rehearsal::{self, Rehearsal, Seen, Subject, look};
use super::{Calls, Email, ProvisionError, WebhookCall};
use crate::db::{Connection, DatabaseError, Doing, TableNames};
use crate::outcome::Verdict;
use crate::site::Site;
use crate::telemetry;
use crate::wordpress::password;
use crate::wordpress::php::loose;

/// Places in which names stand: calls that want the same ones may get each other's.
const NAMES: [&str; 5] = [
    ".user_login",
    ".user_nicename",
    ".display_name",
    ".username",
    ": nickname",
];

/// A call that PHP is about to get.
pub struct Shadowing {
    calls: Arc<Calls>,
    record: Option<Record>,
    plan: Plan,
    sent: Sent,
    kept: Kept,
    since: i64,
}

/// What the comparison needs of a call.
#[derive(Default)]
struct Kept {
    email: Option<Email>,
    password: Option<SecretSlice<u8>>,
    key: Option<SecretString>,
}

/// A user with the address.
#[derive(FromRow)]
struct UserRow {
    #[sqlx(rename = "ID")]
    id: u64,
}

/// What would be compared if the account might read it, as `table.column`.
///
/// # Errors
/// The statement failed.
pub async fn unread(
    connection: &mut Connection,
    tables: &TableNames,
) -> Result<Vec<String>, DatabaseError> {
    let mut unread = rehearsal::unread(connection, tables).await?;
    unread.retain(|place| table::is_compared(place));
    Ok(unread)
}

impl Sent {
    /// What is odd about a call; `nothing` and `list` are about its body.
    pub fn of(call: &WebhookCall, nothing: bool, list: bool) -> Self {
        let given = call.email.as_ref().ok().map(Email::given);
        let has = |character| given.is_some_and(|given| given.contains(character));
        let password = call.user_password.as_ref();
        let slashed = password.map(|password| loose::addslashes(password.expose_secret()));
        Self {
            nothing,
            list,
            apostrophe: has('\''),
            ampersand: has('&'),
            long_address: matches!(call.email, Err(ProvisionError::EmailTooLong)),
            long_password: slashed.is_some_and(|slashed| slashed.len() > password::MAX_LENGTH),
        }
    }
}

impl Shadowing {
    /// Rehearses the call and records it, both at once if its key is known to be a webhook's. `tell` knows the status and the message of
    /// the answer. `None` if no webhook has the key, in PHP either: what strangers send shows nothing, and would fill the record.
    pub async fn begin(
        calls: Arc<Calls>,
        wanted: Wanted,
        is_key_known: bool,
        request_id: Option<Arc<str>>,
        tell: impl Fn(&Result<Rehearsal, ProvisionError>) -> (u16, String),
    ) -> Option<Self> {
        let site = Arc::clone(&calls.site);
        let key = wanted.key().clone();
        let (sent, kept) = match &wanted {
            Wanted::Call(call, sent, _) => (*sent, Kept::of(call)),
            Wanted::Agreed(..) => (Sent::default(), Kept::default()),
        };
        let (began, since) = (Instant::now(), site.clock.now().timestamp());
        let address = kept.email.as_ref().map(Email::stored);
        let recording = Record::begin(&site, address, request_id.as_deref(), began);
        let planning = Plan::of(&calls, wanted, tell);
        let (mut plan, record) = if is_key_known {
            tokio::join!(planning, recording)
        } else {
            let plan = planning.await;
            // Without an answer from the database, PHP has none either.
            if !plan.has_webhook() && !opens_in_php(&site, &key).await.unwrap_or(true) {
                return None;
            }
            (plan, recording.await)
        };
        if let Err(error) = &record {
            plan = Plan::None(telemetry::chain(error));
        }
        Some(Self {
            record: record.ok(),
            plan,
            sent,
            kept,
            since,
            calls,
        })
    }

    /// Compares what PHP answered and left, and records the findings. `heard` may be why there is no answer.
    pub async fn end(self, heard: Result<Heard, String>, php_ms: u32) -> Verdict {
        let Some(record) = &self.record else {
            return Verdict::Uncompared;
        };
        let site = &self.calls.site;
        let compared = match &heard {
            Ok(heard) => self.compare(record, heard).await,
            Err(why) => Ok((Findings::none(why.clone()), None)),
        };
        let (findings, user_id) = compared.unwrap_or_else(|error| {
            let why = telemetry::chain(&error);
            (Findings::none(why), None)
        });
        let (told, sidecar_ms) = self.plan.told();
        let ended = Ended {
            webhook_id: self.webhook_id(),
            user_id,
            sidecar_status: told.map(|told| told.status),
            php_status: heard.as_ref().ok().map(|heard| heard.status),
            sidecar_ms,
            php_ms,
            findings: &findings,
        };
        match record.end(site, &ended).await {
            Ok(()) => findings.verdict(),
            Err(error) => {
                tracing::warn!(
                    "a call in shadow mode is not in the report: {}",
                    telemetry::chain(&error)
                );
                Verdict::Uncompared
            }
        }
    }

    fn webhook_id(&self) -> Option<u64> {
        match &self.plan {
            Plan::Executed(rehearsal, ..) => Some(rehearsal.subject.webhook_id),
            _ => None,
        }
    }

    /// Also returns the member in PHP's tables.
    async fn compare(
        &self,
        record: &Record,
        heard: &Heard,
    ) -> Result<(Findings, Option<u64>), DatabaseError> {
        if heard.is_of_web_server() {
            let why = format!("PHP's web server answered with {}", heard.status);
            return Ok((Findings::none(why), None));
        }
        let mut findings = Findings::default();
        let (told, rehearsal) = match &self.plan {
            Plan::None(why) => return Ok((Findings::none(why.clone()), None)),
            Plan::Agreed(told, line) => {
                if told.status != heard.status {
                    findings.agree(line);
                }
                return Ok((findings, None));
            }
            Plan::Executed(rehearsal, told, _) => (told, Some(&**rehearsal)),
            Plan::Refused(told, _) => (told, None),
        };
        let mask = self.kept.mask();
        let explained = explanation(told, heard, self.sent, rehearsal);
        if told.status != heard.status {
            match explained {
                Some(line) => {
                    findings.agree(line);
                    return Ok((findings, None));
                }
                None => findings.differ(Difference {
                    place: "answer.status".to_owned(),
                    sidecar: Some(format!("{} {}", told.status, told.message)),
                    php: Some(heard.status.to_string()),
                }),
            }
        }
        let site = &self.calls.site;
        let user_id = self.user_of_address(site).await?;
        let subject = match rehearsal {
            Some(rehearsal) => rehearsal.subject.with_user(user_id.unwrap_or_default()),
            None => Subject::new(0, 0, Vec::new()),
        };
        let found = look(site, &subject).await?;
        let until = site.clock.now().timestamp();
        let overlaps = record.overlaps(site, self.webhook_id()).await?;
        if told.status == heard.status {
            let expected = Expected {
                user_id: user_id.unwrap_or_default(),
                between: (self.since, until),
                is_english: is_english(&found),
            };
            match explained {
                Some(line) => findings.agree(line),
                None => answer::compare(told, heard, &expected, &mask, &mut findings),
            }
        }
        if let Some(rehearsal) = rehearsal {
            let comparison = Comparison {
                planned: Planned {
                    subject: &rehearsal.subject,
                    before: &rehearsal.before,
                    after: &rehearsal.after,
                    is_new: rehearsal.names.is_some(),
                    welcome_mail: rehearsal.welcome_mail,
                },
                found: &found,
                circumstances: Circumstances {
                    user_id: subject.user_id,
                    seconds: until - self.since,
                    password: self.try_password(rehearsal, &found).await,
                    overlaps,
                    has_relay: self.calls.bells.relay.is_some(),
                    is_network: site.tables.is_network(),
                },
                mask: &mask,
            };
            comparison.run(&mut findings);
        }
        let is_name = |one: &Difference| NAMES.iter().any(|name| one.place.ends_with(name));
        findings.overlapped = !findings.unexplained.is_empty()
            && (overlaps.member || (overlaps.any && findings.unexplained.iter().all(is_name)));
        Ok((findings, user_id))
    }

    /// The member that PHP has made or found.
    async fn user_of_address(&self, site: &Site) -> Result<Option<u64>, DatabaseError> {
        let Some(email) = &self.kept.email else {
            return Ok(None);
        };
        let forms = email.forms();
        let last = forms.last().into_iter().cycle();
        let forms: Vec<&String> = forms.iter().chain(last).take(3).collect();
        let found = site.pool.work(async |connection| {
            let query = sqlx::query_as(site.statements.users_of_address.sql());
            let query = forms
                .iter()
                .fold(query, |query, form| query.bind(form.as_str()));
            query
                .fetch_all(connection)
                .await
                .doing("look for the member of a call in shadow mode")
        });
        let found: Vec<UserRow> = found.await?;
        Ok(found.into_iter().map(|user| user.id).min())
    }

    /// Whether the password opens the new account. Takes a tenth of a second where PHP uses bcrypt.
    async fn try_password(&self, rehearsal: &Rehearsal, found: &[Seen]) -> Password {
        let Some(sent) = self
            .kept
            .password
            .as_ref()
            .filter(|_| rehearsal.names.is_some())
        else {
            return Password::NotSent;
        };
        if self.sent.long_password {
            return Password::TooLong;
        }
        let users = found.iter().find(|seen| seen.name == "users");
        let user = users.and_then(|seen| seen.rows.as_ref()?.first());
        let Some(hash) = user.and_then(|row| row.get("user_pass")?.as_str()) else {
            return Password::NotSent;
        };
        let slashed: SecretSlice<u8> = loose::addslashes(sent.expose_secret()).into();
        let hash = hash.to_owned();
        let verified =
            tokio::task::spawn_blocking(move || password::verify(slashed.expose_secret(), &hash));
        match verified.await {
            Ok(true) => Password::Opens,
            _ => Password::DoesNotOpen,
        }
    }
}

impl Kept {
    fn of(call: &WebhookCall) -> Self {
        let password = call.user_password.as_ref();
        Self {
            email: call.email.as_ref().ok().cloned(),
            password: password.map(|password| password.expose_secret().to_vec().into()),
            key: Some(call.key.for_lookup().into()),
        }
    }

    fn mask(&self) -> Mask {
        let password = self.password.as_ref();
        let password =
            password.map(|password| String::from_utf8_lossy(password.expose_secret()).into_owned());
        let key = self.key.as_ref().map(|key| key.expose_secret().to_owned());
        Mask::of(password.into_iter().chain(key))
    }
}

/// Whether the site's language is the one of the sidecar's messages; so it is where nothing is set.
fn is_english(found: &[Seen]) -> bool {
    let options = found
        .iter()
        .filter(|seen| ["options", "sitemeta"].contains(&seen.name));
    let rows = options.filter_map(|seen| seen.rows.as_ref()).flatten();
    rows.filter(|row| row.values().any(|value| value == "WPLANG"))
        .filter_map(|row| {
            row.get("option_value")
                .or_else(|| row.get("meta_value"))?
                .as_str()
        })
        .all(|locale| locale.is_empty() || locale.starts_with("en"))
}
