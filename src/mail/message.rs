//! Builds the wire format of a mail. Mirrors what `wp_mail` (WordPress 6.1 to 7.1) makes `PHPMailer` write.

use lettre::address::{AddressError, Envelope};
use lettre::message::header::{ContentTransferEncoding, ContentType, MIME_VERSION_1_0};
use lettre::message::{Body, Mailbox};
use lettre::{Address, Message};

use super::text::Text;

/// Maximum bytes per line of a mail, including the line ending (RFC 5322).
const LONGEST_LINE: usize = 998;

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

/// Builds a mail and its envelope.
pub(super) fn message(header: &Header<'_>, text: &Text) -> Result<Message, MessageError> {
    let mailbox = |address: &str, name: Option<&str>| -> Result<Mailbox, AddressError> {
        Ok(Mailbox::new(
            name.map(ToOwned::to_owned),
            address.parse::<Address>()?,
        ))
    };
    let (from, name) = header.from;
    let envelope = Envelope::new(
        Some(header.envelope_from.parse()?),
        vec![header.to.parse()?],
    )?;
    let mut builder = Message::builder()
        .from(mailbox(from, Some(name))?)
        .to(mailbox(header.to, None)?)
        .subject(&text.subject)
        .message_id(Some(format!("<{}>", header.message_id)))
        .date_now()
        .envelope(envelope);
    if let Some(reply_to) = header.reply_to {
        builder = builder.reply_to(reply_to.parse()?);
    }
    // As WordPress does: plain ASCII is not encoded; for the rest lettre chooses the encoding.
    let body = if text.body.is_ascii() && text.body.lines().all(|line| line.len() < LONGEST_LINE) {
        // lettre would encode lines over 76 characters, which every link exceeds.
        Body::dangerous_pre_encoded(
            text.body.clone().into_bytes(),
            ContentTransferEncoding::SevenBit,
        )
    } else {
        Body::new(text.body.clone())
    };
    Ok(builder
        .header(MIME_VERSION_1_0)
        .header(ContentType::TEXT_PLAIN)
        .body(body)?)
}
