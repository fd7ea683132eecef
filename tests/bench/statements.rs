//! Reads the statements of a call from the database server's general log.

use anyhow::{Context, bail};
use sqlx::Row;

use crate::site::Site;

/// A statement, ready to be executed again.
#[derive(Clone, Debug)]
pub(crate) struct Step {
    pub(crate) sql: String,
    /// One for each `?`; `None` for plain text, which may hold several statements.
    pub(crate) values: Option<Vec<Value>>,
}

/// A bound value.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Value {
    Null,
    Number(String),
    Text(String),
}

/// One entry of the log.
struct Entry {
    session: u64,
    command: String,
    text: Vec<u8>,
}

/// The log, while the server writes it.
pub(crate) struct Log<'a>(&'a Site);

impl<'a> Log<'a> {
    /// Starts to log everything. To be called before the daemon starts, because the server logs the texts with their
    /// `?` only when they are prepared.
    pub(crate) async fn start(site: &'a Site) -> anyhow::Result<Self> {
        site.execute("SET GLOBAL log_output = 'TABLE'; SET GLOBAL general_log = 1")
            .await?;
        Ok(Self(site))
    }

    /// How many entries there are.
    pub(crate) async fn mark(&self) -> anyhow::Result<usize> {
        Ok(self.entries().await?.len())
    }

    /// Stops the log; returns what was executed between two marks, on the connection that executed a statement that contains this text. On others the
    /// daemon examines the database at that time.
    pub(crate) async fn finish(
        self,
        from: usize,
        to: usize,
        holding: &str,
    ) -> anyhow::Result<Vec<Step>> {
        self.0.execute("SET GLOBAL general_log = 0").await?;
        let entries = self.entries().await?;
        let prepared = entries.iter().filter(|entry| entry.command == "Prepare");
        let prepared: Vec<&[u8]> = prepared.map(|entry| &*entry.text).collect();
        let entries = &entries[from..to];
        let sought = |entry: &&Entry| contains(&entry.text, holding.as_bytes());
        let session = entries.iter().find(sought).map(|entry| entry.session);
        let session = session.with_context(|| format!("nothing executed {holding}"))?;
        let mut steps = Vec::new();
        for entry in entries.iter().filter(|entry| entry.session == session) {
            match entry.command.as_str() {
                "Execute" => steps.push(execution(&entry.text, &prepared)?),
                "Query" => steps.push(Step {
                    sql: sql(&entry.text)?,
                    values: None,
                }),
                _ => {}
            }
        }
        Ok(steps)
    }

    /// The entries of the daemon's account, in order.
    async fn entries(&self) -> anyhow::Result<Vec<Entry>> {
        let log = "SELECT CAST(thread_id AS UNSIGNED) AS session, CAST(command_type AS CHAR) AS command, CAST(argument AS BINARY) AS text \
            FROM mysql.general_log WHERE user_host LIKE 'sidecar[%'";
        let rows = sqlx::query(log).fetch_all(self.0.pool()).await?;
        let entries = rows.iter().map(|row| {
            Ok(Entry {
                session: row.try_get("session")?,
                command: row.try_get("command")?,
                text: row.try_get("text")?,
            })
        });
        entries.collect()
    }
}

fn contains(text: &[u8], sought: &[u8]) -> bool {
    text.windows(sought.len()).any(|piece| piece == sought)
}

fn sql(text: &[u8]) -> anyhow::Result<String> {
    String::from_utf8(text.to_vec()).context("a statement is not text")
}

/// Finds the text that this execution was prepared from, and from it the bound values.
fn execution(text: &[u8], prepared: &[&[u8]]) -> anyhow::Result<Step> {
    for candidate in prepared {
        if let Some(values) = values(text, candidate) {
            return Ok(Step {
                sql: sql(candidate)?,
                values: Some(values),
            });
        }
    }
    bail!("not prepared: {}", String::from_utf8_lossy(text))
}

fn values(mut text: &[u8], prepared: &[u8]) -> Option<Vec<Value>> {
    let mut values = Vec::new();
    // No statement of ours has a question mark elsewhere.
    for (index, piece) in prepared.split(|byte| *byte == b'?').enumerate() {
        if index > 0 {
            let value;
            (value, text) = literal(text)?;
            values.push(value);
        }
        text = text.strip_prefix(piece)?;
    }
    text.is_empty().then_some(values)
}

/// Reads a literal as the server writes it.
fn literal(text: &[u8]) -> Option<(Value, &[u8])> {
    if let Some(rest) = text.strip_prefix(b"NULL") {
        return Some((Value::Null, rest));
    }
    let text = text.strip_prefix(b"TIMESTAMP").unwrap_or(text);
    if let Some(rest) = text.strip_prefix(b"'") {
        let mut bytes = Vec::new();
        let mut index = 0;
        loop {
            match *rest.get(index)? {
                b'\'' if rest.get(index + 1) == Some(&b'\'') => {
                    bytes.push(b'\'');
                    index += 1;
                }
                b'\'' => break,
                b'\\' => {
                    index += 1;
                    bytes.push(match *rest.get(index)? {
                        b'0' => 0,
                        b'n' => b'\n',
                        b'r' => b'\r',
                        b'Z' => 26,
                        other => other,
                    });
                }
                other => bytes.push(other),
            }
            index += 1;
        }
        let value = Value::Text(String::from_utf8(bytes).ok()?);
        return Some((value, &rest[index + 1..]));
    }
    let is_number = |byte: &u8| byte.is_ascii_digit() || matches!(byte, b'-' | b'.');
    let length = text.iter().take_while(|byte| is_number(byte)).count();
    let (number, rest) = text.split_at(length);
    let number = std::str::from_utf8(number).ok()?.to_owned();
    (length > 0).then_some((Value::Number(number), rest))
}
