//! What `fcom-sidecar runs` and `fcom-sidecar refused` have in common.

use clap::Args;

use crate::operations::record::{LONGEST_PAGE, Part};

/// Which entries to list.
#[derive(Debug, Args)]
pub(super) struct Listed {
    /// Only of this webhook: id or title
    #[arg(long)]
    webhook: Option<String>,
    /// Only older than the one with this number
    #[arg(long)]
    before: Option<u64>,
    /// At most this many
    #[arg(long, default_value_t = 50, value_parser = clap::value_parser!(u32).range(1..=i64::from(LONGEST_PAGE)))]
    limit: u32,
    /// Prints JSON
    #[arg(long)]
    pub(super) json: bool,
}

impl Listed {
    pub(super) fn part(&self) -> Part {
        Part {
            webhook: self.webhook.clone(),
            before: self.before,
            limit: self.limit,
        }
    }
}

/// The last line of a page that others follow.
pub(super) fn older(next_before: Option<u64>) -> Option<String> {
    next_before.map(|before| format!("Older ones: --before {before}"))
}

/// A webhook's id and title.
pub(super) fn webhook(id: u64, title: Option<&str>) -> String {
    format!("{id} {}", title.unwrap_or("(deleted)"))
}

/// What may not have been recorded.
pub(super) fn recorded(text: Option<&str>) -> &str {
    text.unwrap_or("not recorded")
}
