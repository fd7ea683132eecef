//! Composes a welcome mail. Mirrors `wp_new_user_notification` for the user, WordPress 5.9 to 7.1.

use super::templates::Templates;
use super::text::{Text, Welcome};
use crate::wordpress::catalogue::Catalogues;
use crate::wordpress::special_chars::{Quotes, decode};

/// Composes the mail from the operator's templates if there are any, else from WordPress's text in the user's language.
///
/// # Errors
/// A template fails to render.
pub fn compose(
    welcome: &Welcome<'_>,
    catalogues: &Catalogues,
    templates: &Templates,
) -> Result<Text, minijinja::Error> {
    let locale = welcome.locale.unwrap_or(welcome.options.locale());
    let catalogue = catalogues.of(locale);
    let site_name = decode(&welcome.options.blogname, Quotes::Decoded);
    let links = welcome.links();
    if let Some(text) = templates.render(welcome, &site_name, locale, &links)? {
        return Ok(text);
    }
    let subject = catalogue
        .translate("[%s] Login Details")
        .replacen("%s", &site_name, 1);
    let mut body = String::new();
    if welcome.version.mails_user_name() {
        body += &catalogue
            .translate("Username: %s")
            .replacen("%s", welcome.login, 1);
        body += "\r\n\r\n";
    }
    body += catalogue.translate("To set your password, visit the following address:");
    body += "\r\n\r\n";
    body += &links.set_password;
    body += "\r\n";
    if welcome.version.mails_login_url() {
        body += "\r\n";
        body += &links.login;
        body += "\r\n";
    }
    Ok(Text {
        subject: decode(&subject, Quotes::Kept),
        body,
    })
}

#[cfg(test)]
mod tests {
    use secrecy::SecretString;

    use super::*;
    use crate::mail::{MailOptions, Network};

    fn text(version: &str, site_url: &str, https: bool) -> Text {
        let options = MailOptions {
            site_url: site_url.into(),
            blogname: "Bob &amp; &quot;Co&quot; &hellip;".into(),
            ..MailOptions::default()
        };
        let key = SecretString::from("KEY");
        let welcome = Welcome {
            version: version.parse().unwrap(),
            options: &options,
            login: "jane doe@x",
            display_name: "Jane",
            locale: None,
            key: &key,
            https,
        };
        compose(
            &welcome,
            &Catalogues::none(),
            &Templates::read(None).unwrap(),
        )
        .unwrap()
    }

    #[test]
    fn each_release_has_its_own_body() {
        let intro = "To set your password, visit the following address:\r\n\r\n";
        let old = format!(
            "Username: jane doe@x\r\n\r\n{intro}http://h:8080/wp/wp-login.php?action=rp&key=KEY&login=jane%20doe%40x\r\n\
             \r\nhttp://h:8080/wp/wp-login.php\r\n"
        );
        let link = "https://h/wp-login.php?login=jane%20doe%40x&key=KEY&action=rp\r\n";
        let middle =
            format!("Username: jane doe@x\r\n\r\n{intro}{link}\r\nhttps://h/wp-login.php\r\n");
        assert_eq!(text("6.6", "http://h:8080/wp/", false).body, old);
        assert_eq!(text("6.9", "https://h", false).body, middle);
        assert_eq!(
            text("7.0", "http://h", true).body,
            format!("Username: jane doe@x\r\n\r\n{intro}{link}")
        );
        assert_eq!(
            text("7.1", "https://h", false).body,
            format!("{intro}{link}")
        );
    }

    #[test]
    fn on_a_network_the_password_is_set_on_the_main_site() {
        let options = MailOptions {
            site_url: "https://h/two".into(),
            network: Some(Network {
                id: 1,
                domain: "h:8080".into(),
                path: "/wp/".into(),
            }),
            ..MailOptions::default()
        };
        let key = SecretString::from("KEY");
        let welcome = Welcome {
            version: "6.7".parse().unwrap(),
            options: &options,
            login: "jane",
            display_name: "Jane",
            locale: None,
            key: &key,
            https: false,
        };
        let body = compose(
            &welcome,
            &Catalogues::none(),
            &Templates::read(None).unwrap(),
        )
        .unwrap()
        .body;
        let link = "https://h:8080/wp/wp-login.php?login=jane&key=KEY&action=rp\r\n";
        assert!(body.contains(link), "{body}");
        assert!(
            body.ends_with("\r\nhttps://h/two/wp-login.php\r\n"),
            "{body}"
        );
    }

    #[test]
    fn the_blog_name_is_decoded() {
        assert_eq!(
            text("7.1", "https://h", false).subject,
            "[Bob & \"Co\" &hellip;] Login Details"
        );
    }
}
