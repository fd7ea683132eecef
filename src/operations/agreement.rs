//! The settings in which all instances of a site have to agree, each subject as a print that can be compared, not read. Settings hold
//! passwords, so a print is a slow hash, and only its first two bytes are kept: whoever has the table learns next to nothing.

use std::fmt::Write;

use secrecy::{ExposeSecret, SecretString};
use sha2::{Digest, Sha256};

use super::instances::Running;
use crate::config::Config;

/// What the settings are about, in the order of their prints.
const SUBJECTS: [&str; 4] = ["mail", "password hashes", "protection", "the relay"];

/// As slow as the hashes of WordPress's own passwords.
const COST: u32 = 10;

/// The settings of each subject, in a form that is the same wherever they are.
#[derive(Clone)]
pub struct Settings([SecretString; 4]);

impl Settings {
    /// Of this configuration. Left out is what machines may differ in, such as paths and rates.
    pub fn of(config: &Config) -> Self {
        let (mail, wordpress) = (&config.mail, &config.wordpress);
        let url = config.smtp.url.as_ref();
        let mails = (
            mail.transport,
            url.map(ExposeSecret::expose_secret),
            (
                &mail.from,
                &mail.from_name,
                &mail.reply_to,
                &mail.envelope_from,
            ),
            (mail.https_links, &mail.login_url, mail.give_up),
        );
        let passwords = (wordpress.password_hash, wordpress.bcrypt_cost);
        let mut protection = String::new();
        for one in &config.protections {
            let secrets = one.secrets.iter().flatten();
            let secrets: Vec<String> = secrets
                .map(|secret| hex::encode(secret.expose_secret()))
                .collect();
            let what = (&one.webhook, &one.allowed_networks, one.php_may_execute);
            // Writing to a string cannot fail.
            let _ = writeln!(protection, "{:?}{what:?}{secrets:?}", one.name);
        }
        for source in &config.sources {
            let secrets = source.signature.iter().flat_map(|one| one.secrets.iter());
            let secrets: Vec<String> = secrets
                .map(|secret| hex::encode(secret.expose_secret()))
                .collect();
            let _ = writeln!(protection, "{source:?}{secrets:?}");
        }
        Self([
            format!("{mails:?}").into(),
            format!("{passwords:?}").into(),
            protection.into(),
            // An instance without it leaves no events, of which nobody else would know.
            format!("{:?}", config.relay.enabled).into(),
        ])
    }

    /// After a reload of this configuration: what changes with a restart only stays.
    #[must_use]
    pub fn reloaded(&self, config: &Config) -> Self {
        let [mail, _, protection, _] = Self::of(config).0;
        let [_, passwords, _, relay] = self.0.clone();
        Self([mail, passwords, protection, relay])
    }

    /// One print per subject, separated by spaces. Takes a fraction of a second: not for an async thread. `site` makes the same
    /// settings look different for another site.
    pub fn prints(&self, site: &str) -> String {
        let prints = SUBJECTS.iter().zip(&self.0).map(|(subject, settings)| {
            let salt = Sha256::digest(format!("fcom-sidecar settings\0{site}\0{subject}"));
            let digest = hex::encode(Sha256::digest(settings.expose_secret()));
            let mut half = [0; 16];
            half.copy_from_slice(&salt[..16]);
            let slow = bcrypt::bcrypt(COST, half, digest.as_bytes());
            hex::encode(&Sha256::digest(slow)[..2])
        });
        prints.collect::<Vec<_>>().join(" ")
    }
}

/// The subjects in which these instances differ, and who agrees with whom. One of an older release has fewer prints.
pub fn differences(running: &[Running]) -> Vec<String> {
    let differing = SUBJECTS.iter().enumerate().filter_map(|(index, subject)| {
        let mut groups: Vec<(&str, Vec<&str>)> = Vec::new();
        for instance in running {
            let Some(print) = instance.settings.split(' ').nth(index) else {
                continue;
            };
            match groups.iter_mut().find(|(other, _)| *other == print) {
                Some((_, names)) => names.push(&instance.name),
                None => groups.push((print, vec![&instance.name])),
            }
        }
        let named = groups.iter().map(|(_, names)| names.join(" and "));
        let named = named.collect::<Vec<_>>().join(" has other ones than ");
        (groups.len() > 1).then(|| format!("settings for {subject}: {named}"))
    });
    differing.collect()
}
