//! Determines the sender of a mail. Mirrors what `wp_mail` (WordPress 6.1 to 7.1) derives from the site's address.

use url::Url;

use super::settings::{MailOptions, Network};
use crate::config;
use crate::wordpress::sanitize::email::is_email;

/// The sender options of `[mail]`; an unset option means WordPress's default.
#[derive(Clone, Debug, Default)]
pub struct Sender {
    /// `mail.from`.
    pub from: Option<String>,
    /// `mail.from_name`.
    pub from_name: Option<String>,
    /// `mail.reply_to`.
    pub reply_to: Option<String>,
    /// `mail.envelope_from`.
    pub envelope_from: Option<String>,
    /// `mail.https_links`.
    pub https_links: bool,
    /// `mail.login_url`.
    pub login_url: Option<String>,
    /// The site's addresses, where they are not those in the database.
    pub home: Option<String>,
    /// See `home`.
    pub site_url: Option<String>,
    /// The network's address from `wp-config.php`, which takes precedence over the table `site`.
    pub network: Option<Network>,
}

/// Options in `[mail]` whose values are not valid e-mail addresses.
#[derive(Debug, PartialEq, Eq, thiserror::Error)]
#[error("not e-mail addresses: {}", words(.0))]
pub struct NotAddresses(
    /// Keys and values.
    pub Vec<(&'static str, String)>,
);

fn words(options: &[(&str, String)]) -> String {
    let words = options
        .iter()
        .map(|(key, value)| format!("{key} = {value:?}"));
    words.collect::<Vec<_>>().join(", ")
}

impl Sender {
    /// Builds the sender from the configuration.
    ///
    /// # Errors
    /// One or more addresses that `is_email` rejects.
    pub fn new(mail: &config::Mail, wordpress: &config::WordPress) -> Result<Self, NotAddresses> {
        let addresses = [
            ("mail.from", &mail.from),
            ("mail.reply_to", &mail.reply_to),
            ("mail.envelope_from", &mail.envelope_from),
        ];
        let refused = addresses.into_iter().filter_map(|(key, address)| {
            let address = address.as_deref()?;
            (!is_email(address.as_bytes())).then(|| (key, address.to_owned()))
        });
        let refused: Vec<_> = refused.collect();
        if !refused.is_empty() {
            return Err(NotAddresses(refused));
        }
        let blog = wordpress.blog.as_ref();
        let network = blog.and_then(|blog| blog.network.clone());
        Ok(Self {
            from: mail.from.clone(),
            from_name: mail.from_name.clone(),
            reply_to: mail.reply_to.clone(),
            envelope_from: mail.envelope_from.clone(),
            https_links: mail.https_links || wordpress.forces_https,
            network: network.map(|said| Network {
                id: said.id,
                domain: said.domain,
                path: said.path,
            }),
            login_url: mail.login_url.clone(),
            home: wordpress.home_url.clone(),
            site_url: wordpress.site_url.clone(),
        })
    }

    /// Overrides the options with what is set outright and with the constants.
    pub fn overlay(&self, options: &mut MailOptions) {
        if let Some(network) = &mut options.network
            && let Some(said) = self.network.as_ref().filter(|said| said.id == network.id)
        {
            network.clone_from(said);
        }
        options.login_url.clone_from(&self.login_url);
        if let Some(home) = &self.home {
            options.home.clone_from(home);
        }
        if let Some(site_url) = &self.site_url {
            options.site_url.clone_from(site_url);
        }
    }

    /// The sender's address and name.
    ///
    /// # Errors
    /// A readable reason: the site's own address yields no valid sender, as on `localhost`; WordPress would send
    /// nothing.
    pub fn from(&self, options: &MailOptions) -> Result<(String, String), String> {
        let name = self
            .from_name
            .clone()
            .unwrap_or_else(|| "WordPress".to_owned());
        if let Some(from) = &self.from {
            return Ok((from.clone(), name));
        }
        let home = options.home();
        default_from(&home)
            .filter(|from| is_email(from.as_bytes()))
            .map(|from| (from, name))
            .ok_or_else(|| {
                format!("the site's address \"{home}\" makes no sender address: set mail.from")
            })
    }
}

/// The default sender address of `wp_mail`: `wordpress@` and the host of `home`, without a leading `www.`; an
/// international name in its ASCII form. `None` if `home` has no host.
fn default_from(home: &str) -> Option<String> {
    let url = Url::parse(home).ok()?;
    let host = url.host_str()?;
    Some(format!(
        "wordpress@{}",
        host.strip_prefix("www.").unwrap_or(host)
    ))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_sender_is_wordpress_at_the_host_of_home() {
        for (home, from) in [
            ("https://www.example.org/wp", Some("wordpress@example.org")),
            ("http://example.org:8080", Some("wordpress@example.org")),
            (
                "https://bücher.example",
                Some("wordpress@xn--bcher-kva.example"),
            ),
            ("nonsense", None),
        ] {
            assert_eq!(default_from(home).as_deref(), from);
        }
    }
}
