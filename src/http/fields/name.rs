//! Parses names of form fields: how PHP spells them and recognises arrays.

/// PHP's default `max_input_nesting_level`; a deeper name removes the whole variable.
const MAX_NESTING: usize = 64;

/// Prefixes that a name may have, but must not gain by having its dots and spaces replaced.
const COOKIE_PREFIXES: [&[u8]; 2] = [b"__Host-", b"__Secure-"];

/// What a posted name means to PHP.
pub(in crate::http) enum Name {
    /// PHP registers no variable.
    Ignored,
    /// The variable of this name becomes a scalar.
    Scalar(Vec<u8>),
    /// The variable of this name is, or becomes, an array and gets an element.
    Element(Vec<u8>),
    /// The variable of this name is removed.
    TooDeep(Vec<u8>),
}

impl Name {
    /// Reads a decoded name.
    pub(in crate::http) fn parse(raw: &[u8]) -> Self {
        // PHP handles names as C strings, so they end at the first NUL.
        let raw = raw.split(|&byte| byte == 0).next().unwrap_or_default();
        let spaces = raw.iter().take_while(|&&byte| byte == b' ').count();
        let raw = &raw[spaces..];
        let bracket = raw.iter().position(|&byte| byte == b'[');
        let base = mangle(&raw[..bracket.unwrap_or(raw.len())]);
        let forges_prefix = COOKIE_PREFIXES
            .iter()
            .any(|prefix| base.starts_with(prefix) && !raw.starts_with(prefix));
        if base.is_empty() || forges_prefix {
            return Self::Ignored;
        }
        match bracket {
            None => Self::Scalar(base),
            Some(at) => match Subscripts::parse(&raw[at..]) {
                // Without an index, the bracket is just another character to replace.
                Subscripts::Unclosed => Self::Scalar(mangle(raw)),
                Subscripts::Closed => Self::Element(base),
                Subscripts::TooDeep => Self::TooDeep(base),
            },
        }
    }
}

/// What follows the base name, from its first `[` on.
enum Subscripts {
    Unclosed,
    Closed,
    TooDeep,
}

impl Subscripts {
    fn parse(mut rest: &[u8]) -> Self {
        let mut level = 0;
        // Text after a `]` without a new `[` is ignored: `a[b]c` is an element of `a`.
        while let Some(index) = rest.strip_prefix(b"[") {
            level += 1;
            if level > MAX_NESTING {
                return Self::TooDeep;
            }
            match index.iter().position(|&byte| byte == b']') {
                Some(end) => rest = &index[end + 1..],
                None if level == 1 => return Self::Unclosed,
                None => return Self::Closed,
            }
        }
        Self::Closed
    }
}

/// Replaces the characters that PHP does not allow in a variable name.
fn mangle(name: &[u8]) -> Vec<u8> {
    name.iter()
        .map(|byte| match byte {
            b' ' | b'.' | b'[' => b'_',
            &other => other,
        })
        .collect()
}
