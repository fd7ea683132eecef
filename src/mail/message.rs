//! Builds the wire format of a mail. Mirrors what `wp_mail` (WordPress 6.1 to 7.1) makes `PHPMailer` write.
//!
//! All mails pass here, and whatever options, names, templates and translations hold, no line end of theirs leaves as it
//! is: servers disagree on what LF alone and CR alone mean, and a mail's end would be where one of them takes it to be.

use lettre::address::{AddressError, Envelope};
use lettre::message::header::{ContentTransferEncoding, ContentType, MIME_VERSION_1_0};
use lettre::message::{Body, Mailbox};
use lettre::{Address, Message};

use super::text::Text;
use crate::wordpress::sanitize::email::is_email;

/// Maximum bytes per line of a mail, without the line end (RFC 5322).
const LONGEST_LINE: usize = 998;

/// Maximum bytes of a subject and of a sender's name: lettre breaks lines at blanks only.
const LONGEST_NAME: usize = 600;

/// Header fields of a mail.
pub struct Header<'a> {
    /// Address and name.
    pub from: (&'a str, &'a str),
    /// The recipient.
    pub to: &'a str,
    /// The reply address, if any.
    pub reply_to: Option<&'a str>,
    /// The envelope's sender.
    pub envelope_from: &'a str,
    /// Without the angle brackets; identical on every attempt.
    pub message_id: &'a str,
}

/// Why a mail cannot be built.
#[derive(Debug, thiserror::Error)]
pub(super) enum MessageError {
    /// An address that SMTP cannot carry.
    #[error(transparent)]
    Address(#[from] AddressError),
    /// Another error in the header or body.
    #[error(transparent)]
    Content(#[from] lettre::error::Error),
}

/// The same lines with CR LF at the end of each, and no CR, LF or NUL elsewhere. Mirrors `PHPMailer::normalizeBreaks`.
fn whole_lines(text: &str) -> String {
    let text = text.replace('\0', "").replace("\r\n", "\n");
    text.replace('\r', "\n").replace('\n', "\r\n")
}

/// A header's value in one line, cut where it would become too long with the rest of its header. Mirrors
/// `PHPMailer::secureHeader`.
fn one_line(text: &str) -> String {
    let text = text.replace(['\r', '\n', '\0'], "");
    let text = text.trim();
    text[..text.floor_char_boundary(LONGEST_NAME)].to_owned()
}

/// An address as it leaves. What WordPress takes for one is not judged again: `PHPMailer` asks `is_email`, too, which has no
/// rule for the dots in front of the `@` and for lengths, unlike the library. Only the line feed that `is_email` lets through
/// is refused; `PHPMailer::sendCommand` does so.
fn address(text: &str) -> Result<Address, AddressError> {
    match text.split_once('@') {
        Some((user, domain)) if is_email(text.as_bytes()) && !text.contains('\n') => {
            Ok(Address::new_dangerous(user, domain))
        }
        _ => text.parse(),
    }
}

/// Builds a mail and its envelope.
pub(super) fn message(header: &Header<'_>, text: &Text) -> Result<Message, MessageError> {
    let mailbox = |text: &str, name: Option<&str>| -> Result<Mailbox, AddressError> {
        Ok(Mailbox::new(name.map(one_line), address(text)?))
    };
    let (from, name) = header.from;
    let envelope = Envelope::new(
        Some(address(header.envelope_from)?),
        vec![address(header.to)?],
    )?;
    let mut builder = Message::builder()
        .from(mailbox(from, Some(name))?)
        .to(mailbox(header.to, None)?)
        .subject(one_line(&text.subject))
        .message_id(Some(format!("<{}>", header.message_id)))
        .date_now()
        .envelope(envelope);
    if let Some(reply_to) = header.reply_to {
        builder = builder.reply_to(mailbox(reply_to, None)?);
    }
    // As WordPress does: plain ASCII is not encoded; for the rest lettre chooses the encoding.
    let body = whole_lines(&text.body);
    let body = if body.is_ascii() && body.lines().all(|line| line.len() <= LONGEST_LINE) {
        // lettre would encode lines over 76 characters, which every link exceeds.
        Body::dangerous_pre_encoded(body.into_bytes(), ContentTransferEncoding::SevenBit)
    } else {
        Body::new(body)
    };
    Ok(builder
        .header(MIME_VERSION_1_0)
        .header(ContentType::TEXT_PLAIN)
        .body(body)?)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_address_is_one_line() {
        for text in ["a..b@x.co", ".ab@x.co", "ab.@x.co", "a@b.example.123"] {
            assert_eq!(
                address(text).map(|address| address.to_string()),
                Ok(text.to_owned())
            );
        }
        for text in ["ab\n@x.co", "ab@x.co\n", "ab\r\nDATA@x.co", "ab"] {
            assert!(address(text).is_err(), "{text:?}");
        }
    }

    #[test]
    fn only_cr_lf_ends_a_line() {
        for (text, lines) in [
            ("a\r\nb\n", "a\r\nb\r\n"),
            ("a\n.\r\nb", "a\r\n.\r\nb"),
            ("a\r.\rb", "a\r\n.\r\nb"),
            ("a\r\r\nb\n\r", "a\r\n\r\nb\r\n\r\n"),
            ("a\r\0\nb", "a\r\nb"),
            ("", ""),
        ] {
            assert_eq!(whole_lines(text), lines, "{text:?}");
        }
        assert_eq!(one_line(" a\r\nBcc: b\0\n"), "aBcc: b");
        assert_eq!(one_line(&"é".repeat(400)), "é".repeat(300));
    }
}
