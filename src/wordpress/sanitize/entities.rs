//! Handles character references: `wp_kses_normalize_entities` and the HTML escaping of `_wp_specialchars`, which never
//! escapes a reference twice.

use crate::wordpress::version::Version;

/// HTML 4's names, in byte order. WordPress supports no others: `&apos;` and `&AMP;` are plain text to it.
#[rustfmt::skip]
const NAMES: [&str; 252] = [
    "AElig", "Aacute", "Acirc", "Agrave", "Alpha", "Aring", "Atilde", "Auml", "Beta", "Ccedil",
    "Chi", "Dagger", "Delta", "ETH", "Eacute", "Ecirc", "Egrave", "Epsilon", "Eta", "Euml", "Gamma",
    "Iacute", "Icirc", "Igrave", "Iota", "Iuml", "Kappa", "Lambda", "Mu", "Ntilde", "Nu", "OElig",
    "Oacute", "Ocirc", "Ograve", "Omega", "Omicron", "Oslash", "Otilde", "Ouml", "Phi", "Pi",
    "Prime", "Psi", "Rho", "Scaron", "Sigma", "THORN", "Tau", "Theta", "Uacute", "Ucirc", "Ugrave",
    "Upsilon", "Uuml", "Xi", "Yacute", "Yuml", "Zeta", "aacute", "acirc", "acute", "aelig",
    "agrave", "alefsym", "alpha", "amp", "and", "ang", "aring", "asymp", "atilde", "auml", "bdquo",
    "beta", "brvbar", "bull", "cap", "ccedil", "cedil", "cent", "chi", "circ", "clubs", "cong",
    "copy", "crarr", "cup", "curren", "dArr", "dagger", "darr", "deg", "delta", "diams", "divide",
    "eacute", "ecirc", "egrave", "empty", "emsp", "ensp", "epsilon", "equiv", "eta", "eth", "euml",
    "euro", "exist", "fnof", "forall", "frac12", "frac14", "frac34", "frasl", "gamma", "ge", "gt",
    "hArr", "harr", "hearts", "hellip", "iacute", "icirc", "iexcl", "igrave", "image", "infin",
    "int", "iota", "iquest", "isin", "iuml", "kappa", "lArr", "lambda", "lang", "laquo", "larr",
    "lceil", "ldquo", "le", "lfloor", "lowast", "loz", "lrm", "lsaquo", "lsquo", "lt", "macr",
    "mdash", "micro", "middot", "minus", "mu", "nabla", "nbsp", "ndash", "ne", "ni", "not", "notin",
    "nsub", "ntilde", "nu", "oacute", "ocirc", "oelig", "ograve", "oline", "omega", "omicron",
    "oplus", "or", "ordf", "ordm", "oslash", "otilde", "otimes", "ouml", "para", "part", "permil",
    "perp", "phi", "pi", "piv", "plusmn", "pound", "prime", "prod", "prop", "psi", "quot", "rArr",
    "radic", "rang", "raquo", "rarr", "rceil", "rdquo", "real", "reg", "rfloor", "rho", "rlm",
    "rsaquo", "rsquo", "sbquo", "scaron", "sdot", "sect", "shy", "sigma", "sigmaf", "sim", "spades",
    "sub", "sube", "sum", "sup", "sup1", "sup2", "sup3", "supe", "szlig", "tau", "there4", "theta",
    "thetasym", "thinsp", "thorn", "tilde", "times", "trade", "uArr", "uacute", "uarr", "ucirc",
    "ugrave", "uml", "upsih", "upsilon", "uuml", "weierp", "xi", "yacute", "yen", "yuml", "zeta",
    "zwj", "zwnj",
];

/// Which characters [`escape`] replaces in addition to `&`, `<` and `>`.
#[derive(Copy, Clone, PartialEq)]
pub(super) enum Quotes {
    Keep,
    Escape,
}

/// HTML-escapes a text: `_wp_specialchars` without double encoding, which is also what `esc_html` does.
pub(super) fn escape(text: &[u8], quotes: Quotes, version: Version) -> Vec<u8> {
    let text = normalize(text, version);
    let mut escaped = Vec::with_capacity(text.len());
    for byte in text {
        match byte {
            b'<' => escaped.extend(b"&lt;"),
            b'>' => escaped.extend(b"&gt;"),
            b'"' if quotes == Quotes::Escape => escaped.extend(b"&quot;"),
            b'\'' if quotes == Quotes::Escape => escaped.extend(b"&#039;"),
            _ => escaped.push(byte),
        }
    }
    escaped
}

/// Escapes every `&` that does not start a valid reference, and writes numeric references in WordPress's form.
pub(super) fn normalize(text: &[u8], version: Version) -> Vec<u8> {
    let mut normal = Vec::with_capacity(text.len());
    let mut rest = text;
    while let Some(at) = rest.iter().position(|&byte| byte == b'&') {
        normal.extend_from_slice(&rest[..at]);
        rest = &rest[at + 1..];
        match reference(rest, version) {
            Some((length, written)) => {
                normal.extend(written.into_bytes());
                rest = &rest[length..];
            }
            None => normal.extend(b"&amp;"),
        }
    }
    normal.extend_from_slice(rest);
    normal
}

/// The text after an `&`, if it has the form of a reference: its length with the semicolon, and its replacement.
fn reference(text: &[u8], version: Version) -> Option<(usize, String)> {
    if let Some(digits) = text.strip_prefix(b"#x").or(text.strip_prefix(b"#X")) {
        let digits = digits_before_semicolon(digits, 16)?;
        Some((digits.len() + 3, numeric("#x", digits, 16, version)))
    } else if let Some(digits) = text.strip_prefix(b"#") {
        let digits = digits_before_semicolon(digits, 10)?;
        Some((digits.len() + 2, numeric("#", digits, 10, version)))
    } else {
        let length = text.iter().take(9).position(|&byte| byte == b';')?;
        let name = std::str::from_utf8(&text[..length]).ok()?;
        NAMES.binary_search(&name).ok()?;
        Some((length + 1, format!("&{name};")))
    }
}

/// Digits up to a semicolon: at most seven decimal or six hexadecimal ones, not counting leading zeros.
fn digits_before_semicolon(text: &[u8], radix: u32) -> Option<&str> {
    let is_digit = |byte: &&u8| char::from(**byte).is_digit(radix);
    let length = text.iter().take_while(is_digit).count();
    let digits = std::str::from_utf8(&text[..length]).ok()?;
    let most = if radix == 10 { 7 } else { 6 };
    let fits = length > 0 && digits.trim_start_matches('0').len() <= most;
    (fits && text.get(length) == Some(&b';')).then_some(digits)
}

fn numeric(prefix: &str, digits: &str, radix: u32, version: Version) -> String {
    // PHP treats the string "0" as empty, which made older releases drop the reference.
    if digits == "0" && !version.keeps_null_reference() {
        return String::new();
    }
    let significant = digits.trim_start_matches('0');
    let code = u32::from_str_radix(significant, radix).unwrap_or(0);
    match (is_allowed(code), radix) {
        (false, _) => format!("&amp;{prefix}{digits};"),
        (true, 10) => format!("&{prefix}{significant:0>3};"),
        (true, _) => format!("&{prefix}{significant};"),
    }
}

/// WordPress's `valid_unicode`.
fn is_allowed(code: u32) -> bool {
    matches!(code, 0x9 | 0xA | 0xD | 0x20..=0xD7FF | 0xE000..=0xFFFD | 0x1_0000..=0x10_FFFF)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_are_sorted_for_searching() {
        assert!(NAMES.is_sorted());
    }

    #[test]
    fn valid_references_survive_and_other_ampersands_are_escaped() {
        for (text, normal) in [
            ("Tom & Jerry &", "Tom &amp; Jerry &amp;"),
            (
                "&amp; &copy; &thetasym; &sup2;",
                "&amp; &copy; &thetasym; &sup2;",
            ),
            (
                "&foo; &apos; &AMP; &copy",
                "&amp;foo; &amp;apos; &amp;AMP; &amp;copy",
            ),
            ("&#39; &#0000039; &#8217;", "&#039; &#039; &#8217;"),
            (
                "&#12345678; &#55296; &#;",
                "&amp;#12345678; &amp;#55296; &amp;#;",
            ),
            ("&#x27; &#X0027; &#xD800;", "&#x27; &#x27; &amp;#xD800;"),
            ("&&amp;;", "&amp;&amp;;"),
            ("&#0;|&#00;", "&amp;#0;|&amp;#00;"),
        ] {
            let result = normalize(text.as_bytes(), Version::NEWEST);
            assert_eq!(String::from_utf8_lossy(&result), normal, "{text}");
        }
        assert_eq!(
            normalize(b"&#0;|&#00;", Version::new(6, 9, 0)),
            b"|&amp;#00;"
        );
    }
}
