//! Removes HTML that a biography may not contain and writes the rest in the form `wp_kses` gives
//! it.

use std::collections::{HashMap, HashSet};
use std::sync::LazyLock;

use ammonia::Builder;

/// Placeholder for the `&` of a character reference while the HTML passes through the sanitiser,
/// which would decode the reference; PHP keeps it as typed. The code point is a noncharacter.
pub(super) const REFERENCE: char = '\u{FDD0}';

/// The tags allowed in a rendered description.
const TAGS: [&str; 28] = [
    "a",
    "b",
    "blockquote",
    "br",
    "code",
    "del",
    "em",
    "h1",
    "h2",
    "h3",
    "h4",
    "h5",
    "h6",
    "hr",
    "img",
    "li",
    "ol",
    "p",
    "pre",
    "span",
    "strong",
    "table",
    "tbody",
    "td",
    "th",
    "thead",
    "tr",
    "ul",
];

/// The protocols WordPress allows in links.
const SCHEMES: [&str; 22] = [
    "http", "https", "ftp", "ftps", "mailto", "news", "irc", "irc6", "ircs", "gopher", "nntp",
    "feed", "telnet", "mms", "rtsp", "sms", "svn", "tel", "fax", "xmpp", "webcal", "urn",
];

static CLEANER: LazyLock<Builder<'static>> = LazyLock::new(|| {
    let mut cleaner = Builder::new();
    cleaner
        .tags(HashSet::from(TAGS))
        .generic_attributes(HashSet::new())
        .tag_attributes(HashMap::from([
            ("a", HashSet::from(["href", "title"])),
            ("code", HashSet::from(["class"])),
            (
                "img",
                HashSet::from(["src", "alt", "title", "width", "height"]),
            ),
            ("ol", HashSet::from(["start"])),
        ]))
        // As in wp_kses, a forbidden tag loses its brackets and keeps its text, even `script`.
        .clean_content_tags(HashSet::new())
        .url_schemes(HashSet::from(SCHEMES))
        .link_rel(Some("nofollow"));
    cleaner
});

/// Whether a single tag such as `<b>` or `</b>` may stay.
pub(super) fn allows(tag: &str) -> bool {
    let name: String = tag
        .trim_start_matches(['<', '/'])
        .chars()
        .take_while(char::is_ascii_alphanumeric)
        .map(|c| c.to_ascii_lowercase())
        .collect();
    TAGS.contains(&name.as_str())
}

/// Cleans HTML and writes it in PHP's form.
///
/// The sanitiser parses HTML into a tree and serialises it, so `<br>` loses its slash and U+00A0
/// becomes `&nbsp;`. Its output is regular enough (every `<` starts a tag, every attribute is in
/// double quotes) to fix both in one pass over tags and text.
pub(super) fn clean(html: &str) -> String {
    let cleaned = CLEANER.clean(html).to_string();
    let mut spelled = String::with_capacity(cleaned.len() + 16);
    let mut rest = cleaned.as_str();
    while let Some(start) = rest.find('<') {
        let (text, tag_on) = rest.split_at(start);
        let (tag, after) = tag_on.split_at(tag_length(tag_on));
        spelled.push_str(&spell_text(text));
        spelled.push_str(&spell_tag(tag));
        rest = after;
    }
    spelled.push_str(&spell_text(rest));
    spelled
}

/// The length of the tag at the start of `html`, up to the first `>` outside quotes.
fn tag_length(html: &str) -> usize {
    let mut in_quotes = false;
    for (at, byte) in html.bytes().enumerate() {
        match byte {
            b'"' => in_quotes = !in_quotes,
            b'>' if !in_quotes => return at + 1,
            _ => {}
        }
    }
    html.len()
}

fn spell_text(text: &str) -> String {
    text.replace("&nbsp;", "\u{a0}").replace(REFERENCE, "&")
}

fn spell_tag(tag: &str) -> String {
    // Never turn the placeholder into `&` here: that could complete a forbidden address.
    let tag = tag
        .replace("&nbsp;", "\u{a0}")
        .replace(REFERENCE, "")
        .replace('\'', "&#039;");
    let is_void = ["<br", "<hr", "<img"].iter().any(|name| {
        tag.strip_prefix(name)
            .is_some_and(|rest| rest.starts_with([' ', '>']))
    });
    match tag.strip_suffix('>') {
        Some(open) if is_void => format!("{open} />"),
        _ => tag,
    }
}
