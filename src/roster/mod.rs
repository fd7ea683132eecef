//! A file with members, as people have it: which encoding and format it has, which of its columns are the fields of a call, and one line
//! after the other, in flat memory. Knows no site. Mirrors nothing in PHP.

mod columns;
mod encoding;
mod format;
mod lines;
mod records;

pub use self::columns::{Columns, ColumnsError, Mapping};
pub use self::encoding::Encoding;
pub use self::format::{Format, Recognised, recognise};
pub use self::lines::{Line, LineFlaw, Lines};

/// The fields of a call that a column can be, by name.
pub const FIELDS: [&str; 5] = [
    "email",
    "first_name",
    "last_name",
    "user_login",
    "user_password",
];

/// A file that cannot be read.
#[derive(Debug, thiserror::Error)]
pub enum RosterError {
    /// The system says so.
    #[error("the file cannot be read")]
    Io(#[from] std::io::Error),
    /// There is no line with headings.
    #[error("the file is empty: its first line names the columns")]
    Empty,
    /// It is a workbook of a spreadsheet program, or another archive.
    #[error(
        "it is a spreadsheet or an archive, and not text: open it in its program, and save it as CSV"
    )]
    Workbook,
    /// It is JSON, but not in lines.
    #[error(
        "it begins as JSON, but not with a whole object in its first line. Write one JSON object in each line, as \
         \"jq -c '.[]' FILE\" writes those of a list, and \"jq -c . FILE\" others"
    )]
    NoJsonLines,
    /// The columns are not clear.
    #[error(transparent)]
    Columns(#[from] ColumnsError),
}
