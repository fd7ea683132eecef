//! Generates bodies of forms as nobody should send them, from pieces that PHP treats specially.

use rand::RngExt;
use rand::rngs::StdRng;
use rand::seq::IndexedRandom;

const NAMES: [&str; 34] = [
    "email",
    "email",
    "email",
    "first_name",
    "last_name",
    "user_login",
    "user_password",
    "fcom_action",
    "webhook",
    "Email",
    " email",
    "email ",
    "first.name",
    "first name",
    "first[name",
    "user[ login",
    "user[\tlogin",
    "email[]",
    "email[a]",
    "email[a][b",
    "email[a]b",
    "first_name[b][c]",
    "email]",
    "[email]",
    "",
    "0",
    "..Host-x",
    "MAX_FILE_SIZE",
    "it's",
    "say \"x\"",
    "back\\slash",
    "name",
    "é",
    "last_name\u{a0}",
];
/// Values, and what stands around names and parts.
const PIECES: [&str; 40] = [
    "a@example.com",
    "Zoë Ärger",
    "x",
    "0",
    " ",
    "\t",
    "\r",
    "\n",
    "\r\n",
    "\r\n\r\n",
    "\0",
    "\"",
    "'",
    "\\",
    "\\\"",
    ";",
    ":",
    "=",
    "&",
    "+",
    "%",
    "%2",
    "%zz",
    "%41",
    "%00",
    "%26",
    "%C3%A9",
    "%ff",
    "[",
    "]",
    "-",
    "--",
    "\r\n--",
    "\n--",
    "\n-",
    "name=email",
    "; name=\"email\"",
    "filename=x",
    "Content-Disposition: form-data; name=email\r\n\r\n",
    "😀",
];
const URLENCODED: [&str; 8] = [
    "application/x-www-form-urlencoded",
    "application/x-www-form-urlencoded",
    "application/x-www-form-urlencoded; charset=UTF-8",
    "application/x-www-form-urlencoded charset=utf-8",
    "application/x-www-form-urlencoded, application/x-www-form-urlencoded",
    "APPLICATION/x-WWW-form-urlencoded;boundary=XX",
    "application/x-www-form-urlencoded\t; charset=UTF-8",
    "application/x-www-form-urlencode",
];
const BOUNDARIES: [&str; 12] = [
    "XX",
    "XX",
    "----WebKitFormBoundary7MA4YWxkTrZu0gW",
    "===1656457491496===",
    "a:b/c?d(e)",
    "it's",
    "--",
    "-",
    "X X",
    "",
    "XX ",
    "\u{e9}",
];

/// A body, and the `Content-Type` with which it is sent.
#[derive(Clone)]
pub(super) struct Posted {
    pub(super) kind: String,
    pub(super) body: Vec<u8>,
}

impl Posted {
    pub(super) fn random(rng: &mut StdRng) -> Self {
        let mut posted = if rng.random_bool(0.3) {
            Self::urlencoded(rng)
        } else {
            Self::multipart(rng)
        };
        if rng.random_bool(0.2) {
            for _ in 0..rng.random_range(1..4) {
                spoil(rng, &mut posted.body);
            }
        }
        posted
    }

    fn urlencoded(rng: &mut StdRng) -> Self {
        let mut pairs: Vec<Vec<u8>> = (0..rng.random_range(0..8))
            .map(|_| {
                let mut pair = NAMES.choose(rng).unwrap().as_bytes().to_vec();
                if rng.random_bool(0.1) {
                    pair = text(rng, 3);
                }
                if rng.random_bool(0.9) {
                    pair.push(b'=');
                }
                pair.extend(text(rng, 4));
                pair
            })
            .collect();
        let crowd = crowd(rng);
        pairs.extend((0..crowd).map(|number| format!("f{number}=x").into_bytes()));
        Self {
            kind: (*URLENCODED.choose(rng).unwrap()).to_owned(),
            body: pairs.join(&b'&'),
        }
    }

    fn multipart(rng: &mut StdRng) -> Self {
        let boundary = *BOUNDARIES.choose(rng).unwrap();
        let end = *["\r\n", "\r\n", "\n"].choose(rng).unwrap();
        let mut body = Vec::new();
        if rng.random_bool(0.05) {
            body.extend(text(rng, 4));
            body.extend(end.bytes());
        }
        for _ in 0..rng.random_range(0..6) {
            part(rng, &mut body, boundary, end);
        }
        let (crowd, has_files) = (crowd(rng), rng.random_bool(0.5));
        for number in 0..crowd {
            let file = if has_files && number < 25 {
                "; filename=x"
            } else {
                ""
            };
            let disposition = format!("Content-Disposition: form-data; name=f{number}{file}");
            body.extend(format!("--{boundary}{end}{disposition}{end}{end}x{end}").bytes());
        }
        let closing = match rng.random_range(0..20) {
            0 => String::new(),
            1 => format!("--{boundary}"),
            2 => format!("--{boundary}{end}"),
            3 => format!("--{boundary}-- {end}epilogue"),
            4 => format!("--{boundary}--{end}--{boundary}"),
            5..9 => format!("--{boundary}--"),
            _ => format!("--{boundary}--{end}"),
        };
        body.extend(closing.bytes());
        if rng.random_bool(0.03) {
            part(rng, &mut body, boundary, end);
            body.extend(format!("--{boundary}--").bytes());
        }
        Self {
            kind: declared(rng, boundary),
            body,
        }
    }
}

fn declared(rng: &mut StdRng, boundary: &str) -> String {
    let boundary = if boundary.ends_with(' ') || rng.random_bool(0.3) {
        format!("\"{boundary}\"")
    } else {
        boundary.to_owned()
    };
    match rng.random_range(0..24) {
        0 => format!("multipart/form-data; charset=utf-8; boundary={boundary}"),
        1 => format!("multipart/form-data; boundary={boundary}; charset=utf-8"),
        2 => format!("multipart/form-data; boundary={boundary}, x"),
        3 => format!("multipart/form-data; Boundary={boundary}"),
        4 => format!("Multipart/Form-Data;BOUNDARY={boundary}"),
        5 => format!("multipart/form-data, multipart/form-data; boundary={boundary}"),
        6 => format!("multipart/form-data boundary={boundary}"),
        7 => format!("multipart/form-data; boundary; x={boundary}"),
        8 => format!("multipart/form-data; BOUNDARY=YY; boundary={boundary}"),
        9 => format!(
            "multipart/form-data; boundary=\"{}",
            boundary.trim_matches('"')
        ),
        10 => "multipart/form-data".to_owned(),
        11 => "application/x-www-form-urlencoded".to_owned(),
        12 => format!("multipart/mixed; boundary={boundary}"),
        _ => format!("multipart/form-data; boundary={boundary}"),
    }
}

fn part(rng: &mut StdRng, body: &mut Vec<u8>, boundary: &str, end: &str) {
    body.extend(format!("--{boundary}").bytes());
    if rng.random_bool(0.02) {
        body.extend(text(rng, 1));
    }
    body.extend(end.bytes());
    for header in 0..rng.random_range(0..6) {
        match rng.random_range(0..12) {
            0 => body.extend(format!("Content-Length: {header}").bytes()),
            1 => body.extend(b"Content-Type: text/plain; charset=utf-16"),
            2 => body.extend(b"Content-Transfer-Encoding: base64"),
            3 => body.extend(text(rng, 3)),
            4 => body.extend([b"X: ".to_vec(), b"y".repeat(rng.random_range(5000..5300))].concat()),
            5 => body.extend(disposition(rng).bytes()),
            _ => continue,
        }
        body.extend(end.bytes());
    }
    if rng.random_bool(0.97) {
        body.extend(disposition(rng).bytes());
        body.extend(end.bytes());
    }
    if rng.random_bool(0.1) {
        body.extend(b"Content-Length: 3");
        body.extend(end.bytes());
    }
    body.extend(end.bytes());
    body.extend(text(rng, 5));
    if rng.random_bool(0.04) {
        // Around PHP's buffer.
        body.resize(body.len() + rng.random_range(5_000..5_200), b'x');
    }
    if rng.random_bool(0.05) {
        body.extend(format!("{end}--{boundary}x{end}more").bytes());
    }
    if rng.random_bool(0.97) {
        body.extend(end.bytes());
    }
}

fn disposition(rng: &mut StdRng) -> String {
    let key = *[
        "Content-Disposition",
        "Content-Disposition",
        "content-disposition",
        "Content-disposition ",
    ][..if rng.random_bool(0.02) { 4 } else { 3 }]
        .choose(rng)
        .unwrap();
    let kind = *["form-data", "form-data", "attachment", ""]
        .choose(rng)
        .unwrap();
    let mut header = format!("{key}: {kind}");
    if rng.random_bool(0.1) {
        header.push_str(&parameter(rng, "filename", "a.txt"));
    }
    let names = match rng.random_range(0..30) {
        0 => 0,
        1 => 2,
        _ => 1,
    };
    for _ in 0..names {
        let name = *NAMES.choose(rng).unwrap();
        header.push_str(&parameter(rng, "name", name));
    }
    if rng.random_bool(0.1) {
        let file = *["b.txt", "", "c:\\d.txt"].choose(rng).unwrap();
        header.push_str(&parameter(rng, "filename", file));
    }
    if rng.random_bool(0.05) {
        header.push_str("; filename*=UTF-8''x");
    }
    if rng.random_bool(0.05) {
        header.push_str(PIECES.choose(rng).unwrap());
    }
    header
}

fn parameter(rng: &mut StdRng, key: &str, value: &str) -> String {
    let before = *["; ", "; ", "; ", ";", ";\r\n ", ";\n\t", " ;; ", ", "]
        [..if rng.random_bool(0.3) { 8 } else { 3 }]
        .choose(rng)
        .unwrap();
    let escaped = value.replace('\\', "\\\\");
    let quoted = format!("\"{}\"", escaped.replace('"', "\\\""));
    match rng.random_range(0..30) {
        0 => format!("{before}{key}='{}'", escaped.replace('\'', "\\'")),
        1 => format!("{before}{key}={value}"),
        2 => format!("{before}{key}=\"{value}\""),
        3 => format!("{before}{key}=\"{value}"),
        4 => format!("{before}{key} = {quoted}"),
        5 => format!("{before}{}= {quoted}", key.to_uppercase()),
        6 => format!("{before}{key}=={quoted} x"),
        _ => format!("{before}{key}={quoted}"),
    }
}

/// How many fields make a body long: about as many as PHP reads, in few bodies.
fn crowd(rng: &mut StdRng) -> usize {
    if rng.random_bool(0.01) {
        rng.random_range(990..1030)
    } else {
        0
    }
}

/// Up to this many pieces; rarely bytes that are not UTF-8.
fn text(rng: &mut StdRng, most: usize) -> Vec<u8> {
    let mut text = Vec::new();
    for _ in 0..rng.random_range(0..=most) {
        text.extend(PIECES.choose(rng).unwrap().bytes());
        if rng.random_bool(0.05) {
            text.push(rng.random());
        }
    }
    text
}

/// Drops, doubles or changes bytes, or everything from somewhere on.
fn spoil(rng: &mut StdRng, body: &mut Vec<u8>) {
    if body.is_empty() {
        return;
    }
    let at = rng.random_range(0..body.len());
    let end = (at + rng.random_range(1..6)).min(body.len());
    match rng.random_range(0..8) {
        0 => body.truncate(at),
        1 | 2 => drop(body.drain(at..end)),
        3 | 4 => {
            let twice = body[at..end].to_vec();
            drop(body.splice(at..at, twice));
        }
        5 => body[at] = rng.random(),
        _ => drop(body.splice(at..at, PIECES.choose(rng).unwrap().bytes())),
    }
}
