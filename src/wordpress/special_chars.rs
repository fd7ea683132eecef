//! Decodes HTML's special characters to plain text. Mirrors `wp_specialchars_decode`, WordPress 5.9 to 7.1.

/// Which references are decoded.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Quotes {
    /// `ENT_QUOTES`: also those of both quotes.
    Decoded,
    /// `ENT_NOQUOTES`: `&`, `<` and `>` only.
    Kept,
}

/// Decodes `&amp;`, `&lt;`, `&gt;`, `&quot;` and their numeric forms in one pass: decoded text is not decoded again.
/// All other references are kept.
pub fn decode(text: &str, quotes: Quotes) -> String {
    let mut decoded = String::with_capacity(text.len());
    let mut rest = text;
    while let Some(start) = rest.find('&') {
        decoded.push_str(&rest[..start]);
        rest = &rest[start..];
        let reference = rest[1..].find(';').map(|end| &rest[1..=end]);
        if let Some((character, length)) =
            reference.and_then(|name| character(name, quotes).map(|c| (c, name.len())))
        {
            decoded.push(character);
            rest = &rest[length + 2..];
        } else {
            decoded.push('&');
            rest = &rest[1..];
        }
    }
    decoded.push_str(rest);
    decoded
}

fn character(reference: &str, quotes: Quotes) -> Option<char> {
    let character = match reference {
        "amp" => '&',
        "lt" => '<',
        "gt" => '>',
        "quot" => '"',
        _ => numeric(reference.strip_prefix('#')?)?,
    };
    let is_quote = matches!(character, '"' | '\'');
    (!is_quote || quotes == Quotes::Decoded).then_some(character)
}

/// Allows leading zeros. WordPress does not support hexadecimal forms of `<` and `>`.
fn numeric(digits: &str) -> Option<char> {
    if let Some(hexadecimal) = digits.strip_prefix(['x', 'X']) {
        return match hexadecimal.trim_start_matches('0') {
            "22" => Some('"'),
            "26" => Some('&'),
            "27" => Some('\''),
            _ => None,
        };
    }
    match digits.trim_start_matches('0') {
        "34" => Some('"'),
        "38" => Some('&'),
        "39" => Some('\''),
        "60" => Some('<'),
        "62" => Some('>'),
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn references_are_decoded_once() {
        for (text, decoded) in [
            (
                "Bob &amp; &quot;Co&quot; &lt;Site&gt;",
                "Bob & \"Co\" <Site>",
            ),
            (
                "A &amp;amp; B &amp;lt;b&amp;gt; &hellip;",
                "A &amp; B &lt;b&gt; &hellip;",
            ),
            (
                "&#038;&#38;&#x26;&#X026;&#039;&#x27;&#34;&#x22;&#60;&#0062;",
                "&&&&''\"\"<>",
            ),
            ("&#x3c; &; & &amp &é;", "&#x3c; &; & &amp &é;"),
            ("50% off", "50% off"),
        ] {
            assert_eq!(decode(text, Quotes::Decoded), decoded, "{text}");
        }
        assert_eq!(
            decode("&quot;&#039;&lt;&amp;", Quotes::Kept),
            "&quot;&#039;<&"
        );
    }
}
