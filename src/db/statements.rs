//! Loads every statement of the daemon: one file each in `sql/queries/`, rendered once with the site's table names.
//!
//! Tokens in the files: `{prefix}`, `{users}`, `{usermeta}` are table names; `{base}` is the prefix of the tables that
//! the sites of a network share; `{local_time}` is one bound literal of site local time for a TIMESTAMP column;
//! `{each: …}` is repeated, comma-separated, once per row or value; `{network: …}` is kept only for a site of a network,
//! and may contain `{blog_id}`. `{more columns}` and `{more values}` are columns of the site's table that others have
//! added.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use sqlx::{AssertSqlSafe, SqlSafeStr, SqlStr};

use super::additions::Additions;
use super::{Literal, TableNames};

/// A site-local literal `YYYY-MM-DD HH:MM:SS` in the form that the TIMESTAMP column accepts. PHP's non-strict session
/// moves a time inside the server's own DST gap forward and stores what TIMESTAMP cannot hold as the zero date; our
/// strict session would refuse both, so the SQL asks the server to do the same here. `MySQL` converts seconds beyond
/// 2038, which its columns cannot hold; `MariaDB` skips the content of such comments, and converts as far as its
/// columns reach.
const LOCAL_TIME: &str = "COALESCE(FROM_UNIXTIME(NULLIF(\
    /*!80028 NULLIF(LEAST(*/UNIX_TIMESTAMP(?)/*!80028 , 2147483648), 2147483648)*/, 0)), '0000-00-00 00:00:00')";

/// One statement, ready to run.
#[derive(Clone, Debug)]
pub struct Statement {
    text: String,
    once: SqlStr,
    /// For a statement that inserts rows into a table of the site: the table's name, and its columns that others added.
    additions: Option<(String, Additions)>,
}

impl Statement {
    /// Renders a file's text.
    pub fn render(file: &str, tables: &TableNames) -> Self {
        let text = file
            .lines()
            .filter(|line| !line.trim_start().starts_with("--"))
            .collect::<Vec<_>>()
            .join("\n")
            .replace("{prefix}", tables.prefix())
            .replace("{users}", tables.users())
            .replace("{usermeta}", tables.usermeta())
            .replace("{base}", tables.base())
            .replace("{local_time}", LOCAL_TIME);
        let text = for_network(&text, tables.blog_id());
        let once = safe(expand(&with_columns(&text, "", ""), 1));
        Self {
            text,
            once,
            additions: None,
        }
    }

    /// The statement, which from now on also fills these columns if it inserts rows into their table.
    fn filling(mut self, additions: &Additions) -> Self {
        if self.text.contains(MORE_COLUMNS) {
            let mut words = self.text.split_whitespace();
            let table = words.by_ref().skip_while(|word| *word != "INTO").nth(1);
            let table = table.expect("a table is inserted into").to_owned();
            self.additions = Some((table, additions.clone()));
        }
        self
    }

    /// The text with the columns that others added.
    fn text(&self) -> Option<String> {
        let (table, additions) = self.additions.as_ref()?;
        let more = additions.of(table)?;
        Some(with_columns(&self.text, &more.columns, &more.values))
    }

    /// The statement with `{each: …}` once.
    pub fn sql(&self) -> SqlStr {
        match self.text() {
            Some(text) => safe(expand(&text, 1)),
            None => self.once.clone(),
        }
    }

    /// The statement with `{each: …}` repeated `count` times, at least once.
    pub fn repeated(&self, count: usize) -> SqlStr {
        if count <= 1 {
            return self.sql();
        }
        let text = self.text();
        let text = text.unwrap_or_else(|| with_columns(&self.text, "", ""));
        safe(expand(&text, count))
    }

    /// One statement with the rows of both, which have the same columns.
    pub fn with(&self, other: &Self) -> SqlStr {
        let (one, other) = (self.sql(), other.sql());
        safe(format!("{}\nUNION ALL\n{}", one.as_str(), other.as_str()))
    }

    /// One statement with the rows of this one, then those of another one that has the same columns, each sorted and cut by itself.
    pub fn then(&self, other: &Self) -> SqlStr {
        let (one, other) = (self.sql(), other.sql());
        safe(format!(
            "({})\nUNION ALL\n({})",
            one.as_str(),
            other.as_str()
        ))
    }

    /// The statement with literals instead of its parameters, and `{each: …}` repeated to match them.
    pub(super) fn filled(&self, literals: &[Literal<'_>]) -> String {
        let text = self.text();
        let text = text.unwrap_or_else(|| with_columns(&self.text, "", ""));
        let marks = |text: &str| text.matches('?').count();
        let each = marks(&text[each_range(&text)]);
        let fixed = marks(&text) - each;
        let count = (literals.len().saturating_sub(fixed)).checked_div(each);
        let text = expand(&text, count.unwrap_or(1));
        assert_eq!(
            marks(&text),
            literals.len(),
            "the statement takes other literals: {text}"
        );
        let mut filled = String::with_capacity(text.len() * 2);
        let mut pieces = text.split('?');
        filled.push_str(pieces.next().unwrap_or_default());
        for (piece, literal) in pieces.zip(literals) {
            literal.write(&mut filled);
            filled.push_str(piece);
        }
        filled
    }
}

/// Sound: the text is a file of this crate. Only names that `TableNames` or `unknown_columns` has checked and literals
/// that [`Literal`] has written were inserted.
pub(super) fn safe(sql: String) -> SqlStr {
    AssertSqlSafe(sql).into_sql_str()
}

const MORE_COLUMNS: &str = "{more columns}";
const MORE_VALUES: &str = "{more values}";

fn with_columns(text: &str, columns: &str, values: &str) -> String {
    text.replace(MORE_COLUMNS, columns)
        .replace(MORE_VALUES, values)
}

fn expand(text: &str, count: usize) -> String {
    let range = each_range(text);
    if range.is_empty() {
        return text.to_owned();
    }
    let (head, tail) = (&text[..range.start], &text[range.end..]);
    let each = text[range]
        .trim_start_matches("{each:")
        .trim_end_matches('}');
    format!("{head}{}{tail}", vec![each.trim(); count].join(", "))
}

/// Keeps or removes the content of `{network: …}`.
fn for_network(text: &str, blog_id: Option<u64>) -> String {
    // Statements for networks also contain the id of a site; on a single site they are never run.
    let blog_id_text = blog_id.unwrap_or_default().to_string();
    let mut text = text.replace("{blog_id}", &blog_id_text);
    while let Some(start) = text.find(NETWORK) {
        let length = text[start..].find('}');
        let end = start + length.expect("{network: …} is closed in every SQL file");
        let kept = blog_id.map(|_| text[start + NETWORK.len()..end].to_owned());
        text.replace_range(start..=end, &kept.unwrap_or_default());
    }
    text
}

const NETWORK: &str = "{network:";

/// The position of `{each: …}`; an empty range if there is none.
fn each_range(text: &str) -> std::ops::Range<usize> {
    let Some(start) = text.find("{each:") else {
        return 0..0;
    };
    let length = text[start..].find('}');
    start..start + length.expect("{each: …} is closed in every SQL file") + 1
}

macro_rules! statements {
    ($($name:ident),* $(,)?) => {
        /// Every statement, by the name of its file.
        #[derive(Clone, Debug)]
        #[expect(missing_docs, reason = "each field is documented at the top of its SQL file")]
        pub struct Statements {
            $(pub $name: Statement,)*
            several_writers: Arc<AtomicBool>,
            additions: Additions,
        }

        impl Statements {
            /// Renders every file for one site.
            pub fn render(tables: &TableNames) -> Self {
                let additions = Additions::default();
                Self {
                    $($name: Statement::render(
                        include_str!(concat!("../../sql/queries/", stringify!($name), ".sql")), tables,
                    ).filling(&additions),)*
                    several_writers: Arc::default(),
                    additions,
                }
            }

            /// Whether other servers accept writes at the same time (see [`Cluster`](super::Cluster)). If so, their
            /// locks are invisible here, and statements are not sent together.
            pub fn has_several_writers(&self) -> bool {
                self.several_writers.load(Ordering::Relaxed)
            }

            /// Sets the above, for every clone; it is detected when the database is first reached.
            pub fn set_several_writers(&self, several: bool) {
                self.several_writers.store(several, Ordering::Relaxed);
            }

            /// Columns of the site's tables that others added, and that the statements fill.
            pub(super) fn additions(&self) -> &Additions {
                &self.additions
            }

            /// All statements with their names, so that a test can prepare each of them.
            pub fn all(&self) -> Vec<(&'static str, &Statement)> {
                vec![$((stringify!($name), &self.$name)),*]
            }
        }
    };
}

statements! {
    application_passwords,
    ask_instances,
    backlog,
    blog_membership,
    cancel_scheduled_action,
    claim,
    community_roles,
    confirm_guarded,
    count_run,
    course_email_sections,
    delete_memberships,
    delete_old_keys,
    delete_webhook,
    drop_dead_events,
    drop_event,
    drop_instance,
    drop_mail,
    due_event,
    due_first_event,
    earlier_runs,
    end_shadow,
    events_by_state,
    facts,
    failing_events,
    finish_mail,
    firing_events,
    forget_idempotency_keys,
    forget_signed_calls,
    forgive_mail,
    free_claims,
    give_up_events,
    give_up_mail,
    guard_seen,
    highest_leftover,
    highest_leftover_membership,
    hooks_backlog,
    insert_cache_event,
    insert_event,
    insert_kept,
    insert_mail,
    insert_membership,
    insert_network_user_count,
    insert_old_key,
    insert_refused,
    insert_refused_many,
    insert_run,
    insert_scheduled_action,
    insert_scheduled_action_group,
    insert_scheduled_action_log,
    insert_shadow,
    insert_signed_call,
    insert_user,
    insert_usermeta,
    insert_webhook,
    insert_xprofile,
    instance_told,
    instances,
    interrupted_events,
    kept_done_before,
    kept_retried,
    keys_used,
    known_addresses,
    last_done_event,
    lease_mail,
    lease_new_mail,
    leased_mail,
    leftover_rows,
    list_kept,
    list_mail,
    list_mail_of_state,
    list_refused,
    list_shadow,
    list_webhooks,
    lock_user,
    lock_user_count,
    lock_webhook,
    logins_of_users,
    mail_due,
    mail_key,
    mail_options,
    mail_recipient,
    mail_sent_since,
    mails_of_user,
    mark_tallied,
    names_in_use,
    names_taken,
    newest_refused,
    newest_run,
    newest_shadow,
    newest_user,
    note_instance,
    overlapping_shadows,
    pending_scheduled_actions,
    profile_usermeta,
    prune_events,
    prune_guarded,
    prune_instances,
    prune_kept,
    prune_kept_marks,
    prune_mail,
    prune_old_keys,
    prune_refused,
    prune_refused_many,
    prune_runs,
    prune_shadow,
    prune_shadow_many,
    reactivate_membership,
    refused_of_address,
    refused_of_request,
    refused_of_time,
    refused_of_webhook,
    replace_webhook_key,
    retry_dead_events,
    retry_dead_mail,
    retry_event,
    retry_mail,
    run_by_call_id,
    run_ids,
    run_ids_of_request,
    run_ids_of_time,
    run_ids_of_user,
    run_ids_of_webhook,
    run_of_answer,
    runs_of_others,
    scheduled_action_group,
    shadow_figures,
    shadow_of_verdict,
    shadows_running,
    show_kept,
    show_mail,
    show_refused,
    show_runs,
    show_shadow,
    show_webhook,
    signed_call,
    space_ids_of_user,
    spaces_with_membership,
    store_mail_key,
    tally_options,
    troubled_events,
    untallied_runs,
    update_network_user_count,
    update_user_count,
    update_usermeta,
    update_webhook,
    user_without_profile,
    users_by_name,
    users_of_address,
    webhook_environment,
    webhook_keys,
    webhook_of_old_key,
    webhook_records,
    webhook_targets,
    webhooks_of_key,
}

#[cfg(test)]
mod tests {
    use super::*;

    fn tables() -> TableNames {
        TableNames::new("wp_", None, None).expect("a sound prefix")
    }

    #[test]
    fn a_repeated_group_is_joined_with_commas_and_comments_are_left_out() {
        let statement = Statement::render(
            "-- why\nINSERT INTO {usermeta} (a, b)\nVALUES {each: (?, ?)}",
            &tables(),
        );
        assert_eq!(
            statement.sql().as_str(),
            "INSERT INTO wp_usermeta (a, b)\nVALUES (?, ?)"
        );
        assert_eq!(
            statement.repeated(3).as_str(),
            "INSERT INTO wp_usermeta (a, b)\nVALUES (?, ?), (?, ?), (?, ?)"
        );
    }

    #[test]
    fn what_is_for_networks_stands_there_alone() {
        let sql = "SELECT 1{network: , 2 FROM {base}blogs WHERE blog_id = {blog_id}} {network:x}";
        let render = |tables: &TableNames| Statement::render(sql, tables).sql().as_str().to_owned();
        assert_eq!(render(&tables()).trim(), "SELECT 1");
        let blog = tables().of_blog(7, "wp_7_").unwrap();
        assert_eq!(
            render(&blog),
            "SELECT 1 , 2 FROM wp_blogs WHERE blog_id = 7 x"
        );
    }

    #[test]
    fn every_sql_file_is_listed_and_leaves_no_token_behind() {
        let statements = Statements::render(&tables());
        let mut listed: Vec<_> = statements
            .all()
            .into_iter()
            .map(|(name, _)| format!("{name}.sql"))
            .collect();
        listed.sort();
        let folder = concat!(env!("CARGO_MANIFEST_DIR"), "/sql/queries");
        let mut files: Vec<_> = std::fs::read_dir(folder)
            .unwrap()
            .map(|entry| entry.unwrap().file_name().into_string().unwrap())
            .collect();
        files.sort();
        assert_eq!(listed, files);
        for (name, statement) in statements.all() {
            assert!(
                !statement.repeated(2).as_str().contains(['{', '}']),
                "{name}"
            );
        }
    }
}
