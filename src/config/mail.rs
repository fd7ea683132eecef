//! `[mail]`: how the welcome mail that `wp_new_user_notification` (WordPress 7.1) would have sent is delivered.

use std::num::NonZeroU32;
use std::path::PathBuf;
use std::time::Duration;

use super::address;
use super::problem::Reported;
use super::settings::Settings;

pub(super) const KEYS: &[&str] = &[
    "mail.transport",
    "mail.from",
    "mail.from_name",
    "mail.reply_to",
    "mail.envelope_from",
    "mail.https_links",
    "mail.login_url",
    "mail.templates",
    "mail.connections",
    "mail.mails_per_second",
    "mail.first_retry_seconds",
    "mail.longest_retry_seconds",
    "mail.give_up_hours",
    "mail.retention_days",
    "mail.lease_seconds",
];

/// Resolved `[mail]` options.
#[derive(Debug, Clone)]
pub struct Mail {
    /// How mail leaves.
    pub transport: Transport,
    /// The sender's address; `None` for WordPress's default. `mail::Sender` validates it and the other two addresses.
    pub from: Option<String>,
    /// The sender's name; `None` for WordPress's default.
    pub from_name: Option<String>,
    /// The address for replies.
    pub reply_to: Option<String>,
    /// The envelope sender; `None` for the sender's address.
    pub envelope_from: Option<String>,
    /// Whether links use https even if `siteurl` does not.
    pub https_links: bool,
    /// The address of the login page, if it is not `wp-login.php`.
    pub login_url: Option<String>,
    /// Folder with the operator's own mail templates.
    pub templates: Option<PathBuf>,
    /// The most mails in transit at once, each on its own connection; at least 1.
    pub connections: u32,
    /// This process's sending rate; `None` for no limit.
    pub mails_per_second: Option<NonZeroU32>,
    /// The back-off after the first failure; it doubles after each further one.
    pub first_retry: Duration,
    /// The longest back-off.
    pub longest_retry: Duration,
    /// The age at which an undelivered mail is given up.
    pub give_up: Duration,
    /// How long the record of a mail is kept once it was sent, skipped or given up.
    pub retention_days: u32,
    /// How long a sender holds its lease on a mail; at least 2 seconds.
    pub lease: Duration,
}

/// How mail leaves.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Transport {
    /// The daemon sends it through `smtp.url`.
    Smtp,
    /// WordPress sends it, triggered through Action Scheduler.
    WordPress,
    /// No mail is sent.
    Off,
}

impl Mail {
    pub(super) fn read(settings: &mut Settings) -> Result<Self, Reported> {
        let transports = [
            ("smtp", Transport::Smtp),
            ("wordpress", Transport::WordPress),
            ("off", Transport::Off),
        ];
        let transport = settings.one_of("mail.transport", &transports);
        let from = settings.optional("mail.from");
        let from_name = settings.optional("mail.from_name");
        let reply_to = settings.optional("mail.reply_to");
        let envelope_from = settings.optional("mail.envelope_from");
        let https_links = settings.one_of("mail.https_links", &[("auto", false), ("always", true)]);
        let login_url = settings.optional_parsed("mail.login_url", address::of_page);
        let templates = settings.optional("mail.templates");
        let connections = settings.number("mail.connections", 1..=100);
        let mails_per_second = settings.number("mail.mails_per_second", 0..=10_000);
        let first_retry = settings.number("mail.first_retry_seconds", 1..=86_400);
        let longest_retry = settings.number("mail.longest_retry_seconds", 1..=86_400);
        let give_up = settings.number("mail.give_up_hours", 1..=24 * 30);
        let retention_days = settings.number("mail.retention_days", 1..=36_500);
        let lease = settings.number("mail.lease_seconds", 2..=3600);
        Ok(Self {
            transport: transport?,
            from: from?,
            from_name: from_name?,
            reply_to: reply_to?,
            envelope_from: envelope_from?,
            https_links: https_links?,
            login_url: login_url?,
            templates: templates?.map(PathBuf::from),
            connections: connections?,
            mails_per_second: NonZeroU32::new(mails_per_second?),
            first_retry: Duration::from_secs(first_retry?),
            longest_retry: Duration::from_secs(longest_retry?),
            give_up: Duration::from_hours(give_up?),
            retention_days: retention_days?,
            lease: Duration::from_secs(lease?),
        })
    }
}
