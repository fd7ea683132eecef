//! One attempt at a mail: whether it is still wanted, its text, its reset key, and handing it to the mail server.

use std::time::Instant;

use tracing::Instrument;

use super::failure::{Failure, FailureKind, Refusal};
use super::outbox::{self, AttemptEnd, Leased};
use super::{Header, Hello, Line, MailOptions, Welcome, Worker, compose};
use crate::db::{Batch, DatabaseError};
use crate::events::note_changed_user_in;
use crate::telemetry::phase;
use crate::wordpress::reset_key;
use crate::wordpress::sanitize::email::is_email;
use crate::wordpress::version::Version;

/// What all mails have in common.
pub(super) struct Stationery {
    pub(super) options: MailOptions,
    /// Address and name.
    from: (String, String),
    version: Version,
    /// The name for EHLO.
    pub(super) hello: Hello,
}

impl Worker {
    /// Reads what all mails have in common; a [`Failure`] if no mail can be written.
    pub(super) async fn stationery(&self) -> Result<Result<Stationery, Failure>, DatabaseError> {
        let (statements, prefix) = (&self.site.statements, self.site.tables.prefix());
        let pool = &self.site.pool;
        let mut options = pool
            .work(async |connection| MailOptions::load(connection, statements, prefix).await)
            .await?;
        self.sender.overlay(&mut options);
        let from = self.sender.from(&options);
        let version = self.site.version.version(&options.site);
        let version = version
            .ok_or_else(|| "the WordPress version is unknown: set wordpress.version".to_owned());
        let found = from.and_then(|from| Ok((from, version?)));
        let refused = |words| Failure {
            words,
            kind: FailureKind::Refused(Refusal::Settings),
        };
        Ok(found.map_err(refused).map(|(from, version)| Stationery {
            hello: Hello::of_site(&options),
            options,
            from,
            version,
        }))
    }

    /// `started` is no later than the time of the lease. A [`Failure`] if the server did not take the mail.
    pub(super) async fn attempt(
        &self,
        mail: &Leased,
        stationery: &Stationery,
        line: &mut Line<'_>,
        started: Instant,
    ) -> Result<Result<AttemptEnd, Failure>, DatabaseError> {
        let (login, address) = match recipient(mail) {
            Ok(recipient) => recipient,
            Err(why) => return Ok(Ok(AttemptEnd::Skipped(why.to_owned()))),
        };
        let site = &self.site;
        let statements = &site.statements;
        let since = site
            .pool
            .work(async |connection| outbox::since(connection, statements, mail).await);
        let since = since.await?;
        if let Some(why) = since.objection() {
            return Ok(Ok(AttemptEnd::Skipped(why.to_owned())));
        }
        let Stationery {
            options,
            from,
            version,
            hello,
        } = stationery;
        let key = reset_key::generate();
        let welcome = Welcome {
            version: *version,
            options,
            login,
            display_name: mail.display_name.as_deref().unwrap_or_default(),
            locale: mail.locale.as_deref().filter(|locale| !locale.is_empty()),
            key: &key,
            https: mail.https || self.sender.https_links,
        };
        let text = match compose(&welcome, &site.catalogues, &self.templates) {
            Ok(text) => text,
            Err(error) => {
                let why = format!("the template failed: {error}");
                return Ok(Ok(self.later(mail, why)));
            }
        };
        // WordPress's clock is more often right by the database's than by this machine's.
        let now = since.now.map_or(site.clock.now(), |now| now.and_utc());
        let stored = match reset_key::stored(&key, *version, now) {
            Ok(stored) => stored,
            Err(error) => return Ok(Ok(self.later(mail, error.to_string()))),
        };
        let is_ours = site
            .pool
            .work(async |connection| {
                let mut batch = Batch::begin(statements);
                let key = outbox::store_key_in(&mut batch, statements, mail, &stored);
                if self.relay_bell.is_some() {
                    note_changed_user_in(&mut batch, statements, mail.user_id);
                }
                batch.commit("commit the reset key");
                let answers = batch.run(connection).await?;
                Ok::<_, DatabaseError>(answers[key].affected > 0)
            })
            .await?;
        if !is_ours {
            let why = "another worker has taken over the mail";
            return Ok(Ok(AttemptEnd::Back(why.to_owned())));
        }
        // Otherwise a copy of the user in an object cache would lack the key of the mail's link.
        if let Some(bell) = &self.relay_bell {
            bell.notify_one();
        }
        let domain = from.0.rsplit('@').next().unwrap_or("localhost");
        let created = mail.created_at.and_utc().timestamp();
        let header = Header {
            from: (&from.0, &from.1),
            to: address,
            reply_to: self.sender.reply_to.as_deref(),
            envelope_from: self.sender.envelope_from.as_deref().unwrap_or(&from.0),
            message_id: &format!("welcome.{}.{}.{created}@{domain}", mail.id, mail.user_id),
        };
        let longest = self
            .pace
            .longest_attempt()
            .saturating_sub(started.elapsed());
        let sent = line.send(hello, &header, &text, longest);
        let sent = sent.instrument(phase!("client", "SMTP")).await;
        Ok(match sent {
            Ok(()) => Ok(AttemptEnd::Sent),
            Err(mut failure) => {
                failure.hide_addresses(&[header.from.0, header.envelope_from]);
                Err(failure)
            }
        })
    }
}

/// Login and address of the user, if the mail is still wanted; otherwise why not.
fn recipient(mail: &Leased) -> Result<(&str, &str), &'static str> {
    let recipient = (mail.user_login.as_deref(), mail.user_email.as_deref());
    let (Some(login), Some(address)) = recipient else {
        return Err("the user was deleted");
    };
    if mail.is_same_user == Some(false) {
        return Err(
            "the user was registered at another time than the mail was promised: the id is another person's by now",
        );
    }
    // A user who may not reset their password gets no link to do it.
    if mail.is_spammer == Some(true) {
        return Err("the user is marked as spam");
    }
    if !is_email(address.as_bytes()) {
        return Err("the user's address cannot receive mail");
    }
    Ok((login, address))
}
