//! Decides, from what was read before anything is locked, which user a call is for or why it is refused. Pure.

use super::facts::{Facts, FoundUser};
use super::{Email, Executed, ProvisionError, WebhookCall, protection, sourced};
use crate::db::TableNames;

/// A call that is not refused.
#[derive(Debug)]
pub(super) enum Admission<'a> {
    /// An earlier call with the same `webhook-id` or `Idempotency-Key` was executed; its answer is repeated.
    Answered(Executed),
    /// The address belongs to this user. The row may be deleted before it is locked.
    KnownUser(FoundUser),
    /// For a new user. Another call may create one before the names are claimed.
    NewUser(&'a Email),
}

/// Admits or refuses a call. Protections come first, so that an unauthorised caller learns nothing about addresses and
/// keys.
pub(super) fn admit<'a>(
    call: &'a WebhookCall,
    facts: &Facts,
    tables: &TableNames,
) -> Result<Admission<'a>, ProvisionError> {
    protection::check(&facts.webhook, &call.caller)?;
    sourced::check(&facts.webhook, call)?;
    check_site(facts, tables)?;
    let signed = call.signed_for(&facts.webhook);
    for (header, earlier, now) in [
        ("webhook-id", &facts.earlier_signed, signed),
        ("Idempotency-Key", &facts.earlier, call.idempotency.as_ref()),
    ] {
        let (Some(earlier), Some(now)) = (earlier, now) else {
            continue;
        };
        return if earlier.fields == now.fields {
            Ok(Admission::Answered(earlier.executed.clone()))
        } else {
            Err(ProvisionError::IdempotencyConflict { header })
        };
    }
    match (&call.email, facts.user) {
        (Err(ProvisionError::EmailTooLong), _) => Err(ProvisionError::EmailTooLong),
        (Err(_), _) => Err(ProvisionError::EmailRequired),
        (Ok(_), Some(user)) => Ok(Admission::KnownUser(user)),
        (Ok(email), None) => {
            sourced::check_new(call)?;
            Ok(Admission::NewUser(email))
        }
    }
}

/// Whether WordPress would serve this site at all; a single site is always served.
fn check_site(facts: &Facts, tables: &TableNames) -> Result<(), ProvisionError> {
    match (&facts.blog, tables.blog_id()) {
        (None, Some(id)) => Err(ProvisionError::NoSuchSite(id)),
        (Some(blog), Some(id)) => blog
            .closed
            .map_or(Ok(()), |why| Err(ProvisionError::SiteClosed { id, why })),
        (_, None) => Ok(()),
    }
}

#[cfg(test)]
mod tests {
    use std::time::Instant;

    use chrono::DateTime;

    use super::super::Idempotency;
    use super::super::call::sample_call;
    use super::super::counting::Record;
    use super::super::runs::EarlierRun;
    use super::*;
    use crate::fluentcommunity::webhook::Webhook;
    use crate::wordpress::blog::Blog;
    use crate::wordpress::options::SiteOptions;

    fn found(id: u64) -> FoundUser {
        FoundUser {
            id,
            has_profile: true,
        }
    }

    fn facts(user_id: Option<u64>) -> Facts {
        Facts {
            webhook: Webhook::read(3, b"a:0:{}").unwrap(),
            record: Record {
                value: Vec::new(),
                asked_at: Instant::now(),
            },
            course_module: true,
            options: SiteOptions::default(),
            blog: None,
            user: user_id.map(found),
            earlier: None,
            earlier_signed: None,
        }
    }

    #[test]
    fn a_call_is_for_the_user_with_its_address_or_for_a_new_user() {
        let tables = TableNames::new("wp_", None, None).unwrap();
        let call = sample_call(b"ann@example.com");
        let known = admit(&call, &facts(Some(7)), &tables);
        assert!(matches!(known, Ok(Admission::KnownUser(user)) if user == found(7)));
        let new = admit(&call, &facts(None), &tables);
        assert!(matches!(new, Ok(Admission::NewUser(email)) if email.given() == "ann@example.com"));
        let missing = admit(&sample_call(b"ann"), &facts(None), &tables).unwrap_err();
        assert!(matches!(missing, ProvisionError::EmailRequired));
        let long = sample_call(format!("{}@example.com", "a".repeat(100)).as_bytes());
        let long = admit(&long, &facts(None), &tables).unwrap_err();
        assert!(matches!(long, ProvisionError::EmailTooLong));
    }

    #[test]
    fn a_site_that_wordpress_does_not_serve_is_not_served() {
        let tables = TableNames::new("wp_", None, None).unwrap();
        let tables = tables.of_blog(2, "wp_2_").unwrap();
        let call = sample_call(b"ann@example.com");
        let none = admit(&call, &facts(Some(7)), &tables).unwrap_err();
        assert!(matches!(none, ProvisionError::NoSuchSite(2)));
        for (flags, is_served) in [("0|0|0", true), ("1|0|0", false)] {
            let blog = Some(Blog::read(b"example.org", flags.as_bytes()));
            let facts = Facts {
                blog,
                ..facts(Some(7))
            };
            assert_eq!(admit(&call, &facts, &tables).is_ok(), is_served);
        }
    }

    #[test]
    fn a_key_that_was_used_gets_the_first_answer_to_the_same_fields_only() {
        let tables = TableNames::new("wp_", None, None).unwrap();
        let mut call = sample_call(b"ann@example.com");
        let idempotency = Idempotency::of(b"order 1", call.repeated_fields()).unwrap();
        call.idempotency = Some(idempotency);
        let executed = Executed {
            webhook_id: 3,
            user_id: 7,
            created: true,
            executed_at: DateTime::UNIX_EPOCH,
            replayed: true,
        };
        for (fields, is_same) in [(idempotency.fields, true), ([0; 32], false)] {
            let earlier = Some(EarlierRun {
                fields: fields.to_vec(),
                executed: executed.clone(),
            });
            let facts = Facts {
                earlier,
                ..facts(Some(7))
            };
            match admit(&call, &facts, &tables) {
                Ok(Admission::Answered(answer)) => assert!(is_same && answer == executed),
                Err(ProvisionError::IdempotencyConflict { .. }) => assert!(!is_same),
                other => panic!("{other:?}"),
            }
        }
    }
}
