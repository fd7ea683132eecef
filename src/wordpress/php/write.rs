//! Implements PHP's `serialize`.

use super::{Key, Value};

impl Value {
    /// The value as PHP's `serialize` writes it.
    #[must_use]
    pub fn write(&self) -> Vec<u8> {
        let mut out = Vec::new();
        value(self, &mut out);
        out
    }
}

fn value(value: &Value, out: &mut Vec<u8>) {
    match value {
        Value::Null => out.extend_from_slice(b"N;"),
        Value::Bool(bool) => out.extend_from_slice(if *bool { b"b:1;" } else { b"b:0;" }),
        Value::Int(int) => out.extend_from_slice(format!("i:{int};").as_bytes()),
        Value::Float(float) => out.extend_from_slice(format!("d:{};", float.text()).as_bytes()),
        Value::String(bytes) => string(bytes, out),
        Value::Array(array) => {
            out.extend_from_slice(format!("a:{}:", array.len()).as_bytes());
            members(array.iter(), out);
        }
        Value::Object(object) => {
            out.extend_from_slice(b"O:");
            quoted(&object.class, out);
            out.extend_from_slice(format!(":{}:", object.properties.len()).as_bytes());
            members(object.properties.iter().map(|(k, v)| (k, v)), out);
        }
        Value::Enum(case) => {
            out.extend_from_slice(b"E:");
            quoted(case, out);
            out.push(b';');
        }
    }
}

fn members<'a>(members: impl Iterator<Item = (&'a Key, &'a Value)>, out: &mut Vec<u8>) {
    out.push(b'{');
    for (key, member) in members {
        match key {
            Key::Int(int) => out.extend_from_slice(format!("i:{int};").as_bytes()),
            Key::String(bytes) => string(bytes, out),
        }
        value(member, out);
    }
    out.push(b'}');
}

fn string(bytes: &[u8], out: &mut Vec<u8>) {
    out.extend_from_slice(b"s:");
    quoted(bytes, out);
    out.push(b';');
}

fn quoted(bytes: &[u8], out: &mut Vec<u8>) {
    out.extend_from_slice(format!("{}:\"", bytes.len()).as_bytes());
    out.extend_from_slice(bytes);
    out.push(b'"');
}
