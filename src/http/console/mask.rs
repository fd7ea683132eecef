//! Hides what no page shows as a whole: e-mail addresses, wherever they stand in a text, and passwords in URLs. Mirrors nothing in
//! PHP.

use std::borrow::Cow;

/// What stands for a secret.
const HIDDEN: &str = "••••";
/// How a URL may write `@`.
const ENCODED: &str = "%40";

/// The text with each address as `a…@example.com`.
pub(super) fn mask(text: &str) -> Cow<'_, str> {
    if !text.contains('@') && !text.contains(ENCODED) {
        return Cow::Borrowed(text);
    }
    let mut shown = String::with_capacity(text.len());
    let mut rest = text;
    while let Some((at, sign)) = next_sign(rest) {
        let (before, after) = (&rest[..at], &rest[at + sign.len()..]);
        let is_followed = after.chars().next().is_some_and(is_of_name);
        match begin_of_name(before) {
            Some(begin) if is_followed => match before[..begin].rfind("://") {
                // The user and the password of a URL.
                Some(place) if is_one_word(&before[place + 3..]) => {
                    shown.push_str(&before[..place + 3]);
                    shown.push_str(HIDDEN);
                }
                _ => {
                    shown.push_str(&before[..begin]);
                    shown.extend(before[begin..].chars().next());
                    shown.push('…');
                }
            },
            _ => shown.push_str(before),
        }
        shown.push_str(sign);
        rest = after;
    }
    shown.push_str(rest);
    Cow::Owned(shown)
}

/// Where a name at the end of the text begins.
fn begin_of_name(text: &str) -> Option<usize> {
    let plain = text.trim_end_matches(is_of_name);
    if plain.len() < text.len() {
        // `o'brien`, but not `'ann`.
        let earlier = plain
            .strip_suffix('\'')
            .filter(|it| it.ends_with(is_of_name));
        return Some(earlier.and_then(begin_of_name).unwrap_or(plain.len()));
    }
    // Names may end with what separates them elsewhere.
    let plain = text.trim_end_matches(|letter| is_of_name(letter) || "'=&?/|".contains(letter));
    let name = text[plain.len()..].trim_start_matches(|letter| !is_of_name(letter));
    (!name.is_empty()).then(|| text.len() - name.len())
}

fn next_sign(text: &str) -> Option<(usize, &str)> {
    let plain = text.find('@').map(|place| (place, "@"));
    let encoded = text.find(ENCODED).map(|place| (place, ENCODED));
    match (plain, encoded) {
        (Some(one), Some(other)) => Some(one.min(other)),
        (one, other) => one.or(other),
    }
}

/// Whether a character may stand in the part of an address before or behind its sign.
fn is_of_name(letter: char) -> bool {
    !letter.is_whitespace() && !letter.is_control() && !"<>()[]\"',;:=&?/\\|".contains(letter)
}

fn is_one_word(text: &str) -> bool {
    !text
        .chars()
        .any(|letter| letter.is_whitespace() || "/?#".contains(letter))
}

#[cfg(test)]
mod tests {
    use super::mask;

    #[test]
    fn no_address_is_shown_as_a_whole() {
        for (text, shown) in [
            ("ann@example.com", "a…@example.com"),
            (
                "550 5.1.1 <lena.m@example.net>: User unknown",
                "550 5.1.1 <l…@example.net>: User unknown",
            ),
            (
                "to=ann@example.com, ärger@example.com",
                "to=a…@example.com, ä…@example.com",
            ),
            ("a@b@example.com", "a…@b…@example.com"),
            ("login=ann%40example.com&x", "login=a…%40example.com&x"),
            (
                "smtp://club:pass@mail.example.com:587",
                "smtp://••••@mail.example.com:587",
            ),
            (
                "https://token@example.com/ of ann@example.com",
                "https://••••@example.com/ of a…@example.com",
            ),
            (
                "https://example.com/ann@example.com",
                "https://example.com/a…@example.com",
            ),
            (
                "<o'brien@example.com> 'ann@example.com' d'o'n@example.com",
                "<o…@example.com> 'a…@example.com' d…@example.com",
            ),
            (
                "<jane=@example.com> to=ann/@example.com '@example.com http://@example.com",
                "<j…@example.com> t…@example.com '@example.com http://@example.com",
            ),
            ("@ work, 3 @ once", "@ work, 3 @ once"),
            ("nothing", "nothing"),
            ("", ""),
        ] {
            assert_eq!(mask(text), shown);
        }
    }
}
