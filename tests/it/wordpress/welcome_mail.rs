//! Compares our welcome mail with the one that the same WordPress sends to the same user.

use std::fs;

use fcom_sidecar::sample::mailbox::Mailbox;
use mailparse::{MailHeaderMap, parse_mail};
use serde_json::{Value, json};

use super::php::sent_mail;
use super::{RealSite, create_over_http, release};
use crate::harness::site::PLAIN_HOOK;

/// The mail that a new user got, which must equal the one that WordPress sends with the same key. `where_and_how` is
/// the input of the script `notify` in addition to the user and the key.
pub(super) async fn same_mail(
    real: &RealSite,
    mailbox: &mut Mailbox,
    id: u64,
    where_and_how: Value,
) -> Value {
    let ours = read(mailbox.next().await.unwrap().message.as_bytes());
    let (_, key) = ours["body"].as_str().unwrap().split_once("key=").unwrap();
    let mut input = where_and_how;
    input["id"] = id.into();
    input["key"] = key[..20].into();
    assert_eq!(real.php("notify", input).await, Value::Null);
    let theirs = fs::read(sent_mail(real.installation.root())).unwrap();
    assert_eq!(ours, read(&theirs));
    ours
}

/// The mail as a recipient sees it, decoded.
fn read(message: &[u8]) -> Value {
    let mail = parse_mail(message).unwrap();
    let header = |name: &str| mail.headers.get_first_value(name);
    let body = mail.get_body().unwrap().replace("\r\n", "\n");
    json!({
        "from": header("From"),
        "to": header("To"),
        "reply_to": header("Reply-To"),
        "subject": header("Subject"),
        "content_type": header("Content-Type").map(|text| text.to_lowercase()),
        // PHP's `mail` adds one more line end.
        "body": body.trim_end(),
    })
}

#[tokio::test]
async fn links_are_https_where_wordpress_is_told_so() {
    let real = RealSite::install().await;
    let site = &real.site;
    for constant in ["FORCE_SSL_ADMIN", "FORCE_SSL_LOGIN"] {
        let constants = format!("define( '{constant}', true );\n");
        real.installation
            .configure(&site.server, &site.database, &constants);
        let (sidecar, mut mailbox) = real.sidecar_with_mail(&[]).await;
        let email = format!("{constant}@example.com");
        let fields = [("email", email.as_str())];
        let id = create_over_http(&sidecar.client, PLAIN_HOOK, &fields).await;
        let ours = same_mail(&real, &mut mailbox, id, json!({})).await;
        let body = ours["body"].as_str().unwrap();
        assert!(body.contains("https://"), "{body}");
    }
}

#[tokio::test]
async fn wordpress_sends_the_same_mail_in_every_language() {
    let real = RealSite::install().await;
    // Debian's translations lack two of the texts.
    let texts = json!({
        "[%s] Login Details": "Ensaluti al «%s» 😀",
        "Username: %s": "%s estas la nomo",
        "To set your password, visit the following address:": "ĝŭ: \n  ĉi tie",
        "ambiguous": "",
    });
    let input = json!({ "locale": "eo", "texts": texts });
    assert_eq!(real.php("translate", input).await, true);
    let (sidecar, mut mailbox) = real.sidecar_with_mail(&[]).await;
    let (mut first_lines, mut logins) = (Vec::new(), Vec::new());
    for (number, (locale, name, login)) in [
        ("", "Sample", "ann lee"),
        (
            "",
            "Bob &amp; &quot;Co&quot; &lt;b&gt; &hellip; &#039;",
            "a@b.c-d_e",
        ),
        ("de_DE", "Müller &amp; Söhne's", "Jörg Müller"),
        ("ja", "日本 &amp;amp; 50% off &amp;lt;", "jan lee"),
        (
            "ar",
            "مجتمع 😀 and a name so long that its header has to be folded, maybe even twice",
            "ar  lee",
        ),
        ("eo", "Ĉu &quot;jes&quot;?", "eo lee"),
        ("xx_YY", "", "xx lee"),
    ]
    .into_iter()
    .enumerate()
    {
        real.set_option("WPLANG", locale).await;
        real.set_option("blogname", name).await;
        let email = format!("u{number}@example.com");
        let fields = [("email", email.as_str()), ("user_login", login)];
        let https = number % 2 == 1;
        let id = if https {
            sidecar.client.execute(PLAIN_HOOK, &fields).await
        } else {
            create_over_http(&sidecar.client, PLAIN_HOOK, &fields).await
        };
        let ours = same_mail(&real, &mut mailbox, id, json!({ "https": https })).await;
        let body = ours["body"].as_str().unwrap();
        first_lines.push(body.lines().next().unwrap().to_owned());
        let (_, link) = body.split_once("wp-login.php?").unwrap();
        let link: Vec<(String, String)> =
            serde_urlencoded::from_str(link.lines().next().unwrap()).unwrap();
        logins.extend(link.into_iter().filter(|(name, _)| name == "login"));
    }
    // The catalogues are found, and so are their rules for names.
    let logins: Vec<&str> = logins.iter().map(|(_, login)| login.as_str()).collect();
    assert_eq!(
        logins,
        [
            "ann lee",
            "a@b.c-d_e",
            "Joerg Mueller",
            "jan lee",
            "ar lee",
            "eo lee",
            "xx lee",
        ]
    );
    let expected = [
        "Username: ann lee",
        "Username: a@b.c-d_e",
        "Benutzername: Joerg Mueller",
        "ユーザー名: jan lee",
        "اسم المستخدم: ar lee",
        "eo lee estas la nomo",
        "Username: xx lee",
    ];
    if release::is_since(7, 1) {
        // These mails begin with a text that only one of the catalogues has.
        assert_eq!(first_lines[5], "ĝŭ: ");
    } else {
        assert_eq!(first_lines, expected);
    }
}
