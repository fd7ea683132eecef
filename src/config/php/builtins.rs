//! PHP's own functions, as far as configurations use them.

use std::rc::Rc;

use super::operators::to_integer;
use super::value::{Array, Key, Value};

/// Whether [`compute`] knows the function.
pub(super) fn is_computed(name: &str) -> bool {
    COMPUTED.contains(&name)
}

const COMPUTED: [&str; 38] = [
    "array_key_exists",
    "basename",
    "boolval",
    "count",
    "dirname",
    "explode",
    "filter_var",
    "implode",
    "in_array",
    "intval",
    "is_array",
    "is_bool",
    "is_int",
    "is_null",
    "is_string",
    "join",
    "lcfirst",
    "ltrim",
    "parse_url",
    "rawurldecode",
    "rtrim",
    "sprintf",
    "str_contains",
    "str_ends_with",
    "str_replace",
    "str_starts_with",
    "strlen",
    "strpos",
    "strstr",
    "strtolower",
    "strtoupper",
    "strval",
    "substr",
    "trim",
    "ucfirst",
    "urldecode",
    "array_merge",
    "chop",
];

/// The result of a function with known arguments; `None` where it is not known.
pub(super) fn compute(name: &str, values: &[Value]) -> Option<Value> {
    match (name, values) {
        ("is_null", [value]) => Some(Value::Bool(*value == Value::Null)),
        ("is_string", [value]) => Some(Value::Bool(matches!(value, Value::Text(_)))),
        ("is_int", [value]) => Some(Value::Bool(matches!(value, Value::Int(_)))),
        ("is_bool", [value]) => Some(Value::Bool(matches!(value, Value::Bool(_)))),
        ("is_array", [value]) => Some(Value::Bool(matches!(value, Value::Array(_)))),
        ("boolval", [value]) => value.truth().ok().map(Value::Bool),
        ("strval", [value]) => Value::text(value.to_text()?),
        ("intval", [value]) => to_integer(value).map(Value::Int),
        ("filter_var", [value, Value::Int(258)]) => as_flag(&value.to_text()?).map(Value::Bool),
        ("count", [Value::Array(array)]) => {
            i64::try_from(array.values().count()).ok().map(Value::Int)
        }
        ("in_array", [needle, Value::Array(array), rest @ ..]) => in_array(needle, array, rest),
        ("array_key_exists", [key, Value::Array(array)]) => {
            Some(Value::Bool(array.get(&key.to_key()?).is_some()))
        }
        ("implode" | "join", [glue, Value::Array(array)]) => {
            let parts: Option<Vec<Vec<u8>>> = array.values().map(Value::to_text).collect();
            Value::text(parts?.join(&*glue.to_text()?))
        }
        ("explode", [glue, text]) => explode(&glue.to_text()?, &text.to_text()?),
        ("sprintf", [Value::Text(format), values @ ..]) => Value::text(sprintf(format, values)?),
        ("str_replace", [search, replacement, subject]) => {
            let (search, replacement) = (search.to_text()?, replacement.to_text()?);
            Value::text(replace(&subject.to_text()?, &search, &replacement))
        }
        ("parse_url", [Value::Text(url)]) => parse_url(url),
        _ => of_texts(name, values),
    }
}

fn of_texts(name: &str, values: &[Value]) -> Option<Value> {
    let [Value::Text(text), rest @ ..] = values else {
        return None;
    };
    match (name, rest) {
        ("dirname", []) => Value::text(parent(text)?),
        ("dirname", [Value::Int(levels)]) if (1..20).contains(levels) => {
            let up = (0..*levels).try_fold(text.to_vec(), |path, _| parent(&path));
            Value::text(up?)
        }
        ("basename", []) => {
            let path = String::from_utf8_lossy(text).into_owned();
            Value::text(path.trim_end_matches('/').rsplit('/').next()?)
        }
        ("trim" | "ltrim" | "rtrim" | "chop", _) => trim(name, text, rest),
        ("strtolower", []) => text
            .is_ascii()
            .then(|| Value::text(text.to_ascii_lowercase()))?,
        ("strtoupper", []) => text
            .is_ascii()
            .then(|| Value::text(text.to_ascii_uppercase()))?,
        ("strlen", []) => i64::try_from(text.len()).ok().map(Value::Int),
        ("substr", [Value::Int(from)]) => Value::text(part(text, *from, None)?),
        ("substr", [Value::Int(from), Value::Int(length)]) => {
            Value::text(part(text, *from, Some(*length))?)
        }
        ("strpos", [Value::Text(needle)]) => Some(match find(text, needle) {
            Some(at) => Value::Int(i64::try_from(at).ok()?),
            None => Value::Bool(false),
        }),
        ("str_contains", [Value::Text(needle)]) => Some(Value::Bool(find(text, needle).is_some())),
        ("str_starts_with", [Value::Text(start)]) => Some(Value::Bool(text.starts_with(start))),
        ("str_ends_with", [Value::Text(end)]) => Some(Value::Bool(text.ends_with(end))),
        ("rawurldecode", []) => {
            Value::text(percent_encoding::percent_decode(text).collect::<Vec<_>>())
        }
        ("urldecode", []) => {
            let text = replace(text, b"+", b" ");
            Value::text(percent_encoding::percent_decode(&text).collect::<Vec<_>>())
        }
        _ => None,
    }
}

/// `filter_var` with `FILTER_VALIDATE_BOOLEAN`.
fn as_flag(text: &[u8]) -> Option<bool> {
    let text = std::str::from_utf8(text).ok()?.to_ascii_lowercase();
    (text.trim() == text).then(|| ["1", "true", "on", "yes"].contains(&text.as_str()))
}

fn in_array(needle: &Value, array: &Array, rest: &[Value]) -> Option<Value> {
    let is_strict = matches!(rest, [Value::Bool(true)]);
    for value in array.values() {
        let same = if is_strict {
            needle.is_identical(value)
        } else {
            needle.is_equal(value)
        };
        if same? {
            return Some(Value::Bool(true));
        }
    }
    Some(Value::Bool(false))
}

fn explode(glue: &[u8], text: &[u8]) -> Option<Value> {
    let (glue, text) = (
        std::str::from_utf8(glue).ok()?,
        std::str::from_utf8(text).ok()?,
    );
    if glue.is_empty() {
        return None;
    }
    let mut array = Array::default();
    let fits = text
        .split(glue)
        .all(|part| Value::text(part).is_some_and(|part| array.push(part)));
    fits.then(|| Value::Array(Rc::new(array)))
}

/// `%s`, `%d` and `%%`.
fn sprintf(format: &[u8], values: &[Value]) -> Option<Vec<u8>> {
    let mut values = values.iter();
    let mut text = Vec::new();
    let mut rest = format;
    while let [first, after @ ..] = rest {
        if *first != b'%' {
            text.push(*first);
            rest = after;
            continue;
        }
        match after.first()? {
            b's' => text.extend(values.next()?.to_text()?),
            b'd' => text.extend(to_integer(values.next()?)?.to_string().bytes()),
            b'%' => text.push(b'%'),
            _ => return None,
        }
        rest = &after[1..];
    }
    Some(text)
}

fn find(text: &[u8], needle: &[u8]) -> Option<usize> {
    if needle.is_empty() {
        return Some(0);
    }
    text.windows(needle.len())
        .position(|window| window == needle)
}

fn replace(text: &[u8], search: &[u8], replacement: &[u8]) -> Vec<u8> {
    if search.is_empty() {
        return text.to_vec();
    }
    let (mut replaced, mut rest) = (Vec::new(), text);
    while let Some(at) = find(rest, search) {
        replaced.extend(&rest[..at]);
        replaced.extend(replacement);
        rest = &rest[at + search.len()..];
    }
    replaced.extend(rest);
    replaced
}

/// `dirname` of an absolute path.
fn parent(path: &[u8]) -> Option<Vec<u8>> {
    let path = std::str::from_utf8(path).ok()?;
    let absolute = path.strip_prefix('/')?.trim_end_matches('/');
    let above = absolute.rsplit_once('/').map_or("", |(above, _)| above);
    Some(format!("/{}", above.trim_end_matches('/')).into_bytes())
}

fn trim(name: &str, text: &[u8], rest: &[Value]) -> Option<Value> {
    let letters: &[u8] = match rest {
        [] => b" \n\r\t\x0B\0",
        [Value::Text(letters)] if find(letters, b"..").is_none() => letters,
        _ => return None,
    };
    let is_kept = |byte: &u8| !letters.contains(byte);
    let (mut from, mut to) = (0, text.len());
    if name != "rtrim" && name != "chop" {
        from = text.iter().position(is_kept).unwrap_or(to);
    }
    if name != "ltrim" {
        to = text.iter().rposition(is_kept).map_or(from, |last| last + 1);
    }
    Value::text(&text[from..to.max(from)])
}

/// `substr` within the text, in which PHP's versions agree.
fn part(text: &[u8], from: i64, length: Option<i64>) -> Option<&[u8]> {
    let size = i64::try_from(text.len()).ok()?;
    let from = if from < 0 { size + from } else { from };
    let to = match length {
        None => size,
        Some(length) if length < 0 => size + length,
        Some(length) => from.saturating_add(length).min(size),
    };
    let (from, to) = (usize::try_from(from).ok()?, usize::try_from(to).ok()?);
    text.get(from..to)
}

/// `parse_url` of an address with scheme and host; others are spelled in too many ways.
fn parse_url(url: &[u8]) -> Option<Value> {
    let text = std::str::from_utf8(url).ok()?;
    let (scheme, rest) = text.split_once("://")?;
    let is_plain = |text: &str| text.bytes().all(|byte| byte.is_ascii_graphic());
    if !is_plain(text) || rest.contains(['[', ']', '#', '\\']) || rest.matches('@').count() > 1 {
        return None;
    }
    let end = rest.find(['/', '?']).unwrap_or(rest.len());
    let (authority, rest) = rest.split_at(end);
    let (path, query) = match rest.split_once('?') {
        Some((path, query)) => (path, Some(query)),
        None => (rest, None),
    };
    let (login, host) = match authority.split_once('@') {
        Some((login, host)) => (Some(login), host),
        None => (None, authority),
    };
    let mut array = Array::default();
    let mut set = |key: &str, value: Value| array.set(Key::Text(key.as_bytes().into()), value);
    set("scheme", Value::text(scheme)?);
    let (host, port) = match host.split_once(':') {
        Some((host, port)) => (
            host,
            Some(port.parse::<u16>().ok().filter(|port| *port > 0)?),
        ),
        None => (host, None),
    };
    if host.is_empty() || scheme.is_empty() {
        return None;
    }
    set("host", Value::text(host)?);
    if let Some(port) = port {
        set("port", Value::Int(i64::from(port)));
    }
    if let Some(login) = login {
        let (user, password) = match login.split_once(':') {
            Some((user, password)) => (user, Some(password)),
            None => (login, None),
        };
        set("user", Value::text(user)?);
        if let Some(password) = password {
            set("pass", Value::text(password)?);
        }
    }
    if !path.is_empty() {
        set("path", Value::text(path)?);
    }
    if let Some(query) = query {
        set("query", Value::text(query)?);
    }
    Some(Value::Array(Rc::new(array)))
}
