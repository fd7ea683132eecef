//! A mail as it goes over the wire. Mirrors what `wp_mail` (WordPress 6.1 to 7.1) makes `PHPMailer` write.

use lettre::address::{AddressError, Envelope};
use lettre::message::header::{ContentTransferEncoding, ContentType, MIME_VERSION_1_0};
use lettre::message::{Body, Mailbox};
use lettre::{Address, Message};

use super::text::Text;

/// Bytes that a line of a mail may have, its end included (RFC 5322).
const LONGEST_LINE: usize = 998;

/// Header fields of a mail.
pub struct Header<'a> {
    /// Address and name.
    pub from: (&'a str, &'a str),
    /// The recipient.
    pub to: &'a str,
    /// If any.
    pub reply_to: Option<&'a str>,
    /// The envelope's sender.
    pub envelope_from: &'a str,
    /// Without the angle brackets; the same for every attempt.
    pub message_id: &'a str,
}

/// Why a mail cannot be put together.
#[derive(Debug, thiserror::Error)]
pub(super) enum MessageError {
    /// An address that SMTP cannot carry.
    #[error(transparent)]
    Address(#[from] AddressError),
    /// Something else in its head or body.
    #[error(transparent)]
    Content(#[from] lettre::error::Error),
}

/// Puts a mail together, with its envelope.
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
    // As WordPress sends it: plain ASCII as it is; the rest in an encoding of lettre's choice.
    let body = if text.body.is_ascii() && text.body.lines().all(|line| line.len() < LONGEST_LINE) {
        // lettre would encode lines over 76 characters, as every link is.
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
