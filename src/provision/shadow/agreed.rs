//! The lines of `docs/differences.md` that a comparison can meet. Pure.

use super::exchange::{Heard, Told};
use crate::outcome::Outcome;
use crate::provision::rehearsal::{Oddities, Rehearsal};

pub(super) const COUNT: &str = "`running_count` equals the number of executed calls.";
pub(super) const KEYS: &str = "Webhook keys are compared byte for byte.";
pub(super) const OLD_KEY: &str =
    "A key that was rotated stays valid for a while; in PHP with the must-use plugin only.";
pub(super) const CORRUPT: &str = "A corrupt webhook record is answered 423 and left as it is.";
pub(super) const CLOSED_SITE: &str =
    "A site of a network that is archived, deleted or spam answers 503.";
pub(super) const LANGUAGE: &str = "Messages are English, whatever the site's language.";
/// Lines for requests that PHP shows its portal to.
pub const JSON: &str = "A JSON body is answered 415.";
/// See [`JSON`].
pub const GET: &str = "GET and PUT are answered 405.";
/// See [`JSON`].
pub const HEAD: &str = "HEAD is answered 200 or 404, OPTIONS 204.";
pub(super) const EMPTY: &str = "An empty body is answered 423.";
/// See [`JSON`].
pub const KEY_IN_BODY: &str = "A key in the body only is answered 404.";
/// See [`JSON`].
pub const TOO_MANY_FIELDS: &str =
    "A form with too many fields, or over the limit, is answered 400 or 413.";
/// See [`JSON`].
pub const BROKEN_MULTIPART: &str = "A multipart body without a usable boundary, without a closing boundary, or with a nameless part is answered 400.";
pub(super) const LIST: &str = "An array in place of a field counts as missing.";
pub(super) const APOSTROPHE: &str = "An address with an apostrophe is accepted.";
pub(super) const AMPERSAND: &str =
    "An address with `&`, which WordPress stores escaped, is found again.";
pub(super) const LONG_ADDRESS: &str =
    "An address over 100 characters is refused with a message that says so.";
pub(super) const UNUSABLE_LOGIN: &str =
    "A `user_login` that nothing is left of, or that is too long, is replaced by the derived one.";
pub(super) const LOGIN_TAKEN: &str = "An existing login counts as taken while a login is derived.";
pub(super) const LONG_LOGIN: &str = "Derived logins are cut to 60 characters.";
pub(super) const LONG_NAME: &str = "Display names are cut to 250 characters.";
pub(super) const BASIC_PLANE: &str = "In `utf8mb3` tables, characters that they lack are left out of names and logins, and match nothing.";
pub(super) const LONG_PASSWORD: &str = "A supplied password over 4,096 bytes counts as none.";
pub(super) const OTHER_SITES_USER: &str =
    "On a network, a user of another site is added to the site with its default role.";
pub(super) const MAIL: &str =
    "The welcome mail leaves after the call, from an outbox, and is retried.";
pub(super) const BIOGRAPHY: &str =
    "Markdown in the biography of a user who gets a first profile is rendered by another engine.";
pub(super) const SPACE_IDS: &str =
    "With the relay, `_fcom_space_ids` also has what was joined after something was left.";

/// What a call had that PHP takes otherwise; no value.
#[derive(Clone, Copy, Debug, Default)]
#[expect(
    clippy::struct_excessive_bools,
    reason = "each stands for one agreed difference from PHP"
)]
pub struct Sent {
    /// There was no body.
    pub nothing: bool,
    /// An array in place of a field.
    pub list: bool,
    /// An apostrophe in the address.
    pub apostrophe: bool,
    /// An ampersand in the address.
    pub ampersand: bool,
    /// The address is longer than its column.
    pub long_address: bool,
    /// The password is longer than any that WordPress verifies.
    pub long_password: bool,
}

/// The line that explains why PHP answered with another status, or in other words.
pub(super) fn explanation(
    told: &Told,
    heard: &Heard,
    sent: Sent,
    plan: Option<&Rehearsal>,
) -> Option<&'static str> {
    let oddities = plan.map_or_else(Oddities::default, |plan| plan.oddities);
    let is_login_taken = plan.is_some_and(|plan| {
        let names = plan.names.as_ref();
        names.is_some_and(|names| names.login.taken.is_some())
    });
    let is_known = plan.is_some_and(|plan| plan.names.is_none());
    let first = |lines: &[(bool, &'static str)]| {
        let line = lines.iter().find(|(holds, _)| *holds);
        line.map(|(_, line)| *line)
    };
    match (told.status, heard.status) {
        (200, 423) => first(&[
            (sent.apostrophe, APOSTROPHE),
            (oddities.unusable_login, UNUSABLE_LOGIN),
            (oddities.cut_display_name, LONG_NAME),
            (is_known && sent.ampersand, AMPERSAND),
            (is_login_taken, LOGIN_TAKEN),
            (oddities.longest_login, LONG_LOGIN),
            (oddities.basic_plane, BASIC_PLANE),
        ]),
        (200, 404) => oddities.old_key.then_some(OLD_KEY),
        (200 | 423, 500) if sent.list => Some(LIST),
        (423, 200 | 500) if told.outcome == Outcome::UnreadableWebhook => Some(CORRUPT),
        (423, 423) => sent.long_address.then_some(LONG_ADDRESS),
        (404 | 423, _) if sent.nothing && heard.is_page() => Some(EMPTY),
        // Only calls of which PHP finds the webhook are recorded.
        (404, 200 | 423 | 500) if told.outcome == Outcome::UnknownWebhook && !heard.is_page() => {
            Some(KEYS)
        }
        (503, _) if matches!(told.outcome, Outcome::SiteClosed | Outcome::NoSuchSite) => {
            Some(CLOSED_SITE)
        }
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_line_is_one_of_the_document() {
        let document = include_str!("../../../docs/differences.md");
        for line in [
            COUNT,
            KEYS,
            OLD_KEY,
            CORRUPT,
            CLOSED_SITE,
            LANGUAGE,
            JSON,
            GET,
            HEAD,
            EMPTY,
            KEY_IN_BODY,
            TOO_MANY_FIELDS,
            BROKEN_MULTIPART,
            LIST,
            APOSTROPHE,
            AMPERSAND,
            LONG_ADDRESS,
            UNUSABLE_LOGIN,
            LOGIN_TAKEN,
            LONG_LOGIN,
            LONG_NAME,
            BASIC_PLANE,
            LONG_PASSWORD,
            OTHER_SITES_USER,
            MAIL,
            BIOGRAPHY,
            SPACE_IDS,
        ] {
            assert!(document.contains(&format!("\n| {line} |")), "{line}");
        }
    }

    #[test]
    fn a_line_explains_only_what_it_is_about() {
        let told = |status, outcome| Told {
            status,
            message: String::new(),
            outcome,
        };
        let heard = |status| Heard {
            status,
            is_json: false,
            body: Some(b"<html>".to_vec()),
        };
        let sent = |apostrophe, nothing| Sent {
            nothing,
            apostrophe,
            ..Sent::default()
        };
        for (told, heard, sent, line) in [
            (
                told(200, Outcome::Created),
                heard(423),
                sent(true, false),
                Some(APOSTROPHE),
            ),
            (
                told(200, Outcome::Created),
                heard(423),
                sent(false, false),
                None,
            ),
            (
                told(200, Outcome::Created),
                heard(500),
                sent(true, false),
                None,
            ),
            (
                told(423, Outcome::InvalidEmail),
                heard(302),
                sent(false, true),
                Some(EMPTY),
            ),
            (
                told(423, Outcome::InvalidEmail),
                heard(200),
                sent(false, false),
                None,
            ),
            (
                told(423, Outcome::UnreadableWebhook),
                heard(500),
                sent(false, false),
                Some(CORRUPT),
            ),
            (
                told(404, Outcome::UnknownWebhook),
                heard(200),
                sent(false, false),
                None,
            ),
            (
                told(503, Outcome::SiteClosed),
                heard(200),
                sent(false, false),
                Some(CLOSED_SITE),
            ),
        ] {
            assert_eq!(explanation(&told, &heard, sent, None), line);
        }
    }
}
