//! Reads rows as the tables have them, with the columns that others added.

use std::collections::BTreeMap;

use serde_json::{Map, Number, Value};
use sqlx::mysql::MySqlRow;
use sqlx::{Decode, FromRow, MySql, Row as _};

use super::batch::{Answer, Batch};
use super::{Connection, DatabaseError, Doing, Literal, Statement, TableNames};

const READABLE_COLUMNS: &str = include_str!("../../sql/checks/readable_columns.sql");

/// A row: numbers, texts and nulls by column. Bytes that are no text are shown as `0x…`, dates as text.
pub type ShownRow = Map<String, Value>;

/// Some rows of a table: those in which every one of these columns has one of its values.
pub struct Excerpt<'a> {
    /// The table's full name.
    pub table: String,
    /// Columns and values; of each there is at least one.
    pub condition: Vec<(&'static str, Vec<Literal<'a>>)>,
}

/// The columns that the account may read, by table.
pub struct Readable(BTreeMap<String, Vec<Column>>);

struct Column {
    name: String,
    is_number: bool,
}

#[derive(FromRow)]
struct ColumnRow {
    table_name: String,
    name: String,
    data_type: String,
}

impl Readable {
    /// Asks the server about these tables.
    ///
    /// # Errors
    /// The statement failed.
    pub async fn of(
        connection: &mut Connection,
        names: &TableNames,
        tables: &[&str],
    ) -> Result<Self, DatabaseError> {
        let sql = Statement::render(READABLE_COLUMNS, names).repeated(tables.len());
        let query = tables
            .iter()
            .fold(sqlx::query_as(sql), |query, name| query.bind(*name));
        let rows: Vec<ColumnRow> = query
            .fetch_all(connection)
            .await
            .doing("read which columns there are")?;
        let mut readable: BTreeMap<String, Vec<Column>> = BTreeMap::new();
        for row in rows {
            let is_number = row.data_type.ends_with("int") || row.data_type == "double";
            let name = row.name;
            let columns = readable.entry(row.table_name).or_default();
            columns.push(Column { name, is_number });
        }
        Ok(Self(readable))
    }

    /// Whether the account may read this column.
    pub fn has(&self, table: &str, column: &str) -> bool {
        let mut columns = self.columns(table).iter();
        columns.any(|one| one.name.eq_ignore_ascii_case(column))
    }

    fn columns(&self, table: &str) -> &[Column] {
        self.0.get(table).map_or(&[], Vec::as_slice)
    }

    /// Adds the statement that reads an excerpt, in the order of its first column; returns the index of its answer. `None` if
    /// the account may not read it.
    pub fn ask_in(&self, batch: &mut Batch, excerpt: &Excerpt<'_>) -> Option<usize> {
        let columns = self.columns(&excerpt.table);
        let asked = excerpt.condition.iter();
        if columns.is_empty()
            || asked
                .clone()
                .any(|(name, _)| !self.has(&excerpt.table, name))
        {
            return None;
        }
        let names: Vec<String> = columns.iter().map(|column| quoted(&column.name)).collect();
        let mut sql = format!(
            "SELECT {} FROM {}",
            names.join(", "),
            quoted(&excerpt.table)
        );
        for (index, (name, values)) in asked.enumerate() {
            sql += if index == 0 { " WHERE " } else { " AND " };
            sql += &quoted(name);
            sql += " IN (";
            for (index, value) in values.iter().enumerate() {
                sql += if index == 0 { "" } else { ", " };
                value.write(&mut sql);
            }
            sql += ")";
        }
        sql += " ORDER BY 1";
        Some(batch.add_text(sql, "read what there is"))
    }

    /// The rows of an excerpt.
    ///
    /// # Errors
    /// A row cannot be read.
    pub fn rows(&self, table: &str, answer: &Answer) -> Result<Vec<ShownRow>, DatabaseError> {
        let columns = self.columns(table);
        let rows = answer.rows.iter().map(|row| shown(columns, row));
        rows.collect()
    }
}

/// An identifier; a backtick in it is doubled.
fn quoted(name: &str) -> String {
    format!("`{}`", name.replace('`', "``"))
}

fn shown(columns: &[Column], row: &MySqlRow) -> Result<ShownRow, DatabaseError> {
    let cells = columns.iter().enumerate().map(|(index, column)| {
        const DOING: &str = "read a row";
        // As the server sent it: the text protocol has a text for every type.
        let raw = row.try_get_raw(index).doing(DOING)?;
        let bytes = <Option<Vec<u8>> as Decode<'_, MySql>>::decode(raw);
        let bytes = bytes.map_err(sqlx::Error::Decode).doing(DOING)?;
        Ok((column.name.clone(), value(bytes, column.is_number)))
    });
    cells.collect()
}

fn value(bytes: Option<Vec<u8>>, is_number: bool) -> Value {
    let Some(bytes) = bytes else {
        return Value::Null;
    };
    match String::from_utf8(bytes) {
        Ok(text) if is_number => text
            .parse::<Number>()
            .map_or(Value::String(text), Value::Number),
        Ok(text) => Value::String(text),
        Err(error) => Value::String(format!("0x{}", hex::encode(error.into_bytes()))),
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn a_name_that_others_chose_stays_a_name() {
        assert_eq!(quoted("a`b; DROP"), "`a``b; DROP`");
    }

    #[test]
    fn cells_are_shown_as_the_columns_have_them() {
        assert_eq!(value(None, true), Value::Null);
        assert_eq!(value(Some(b"12".to_vec()), true), json!(12));
        assert_eq!(value(Some(b"12".to_vec()), false), json!("12"));
        assert_eq!(value(Some(b"1.50".to_vec()), true), json!(1.5));
        assert_eq!(value(Some(vec![0xFF, 0]), false), json!("0xff00"));
    }
}
