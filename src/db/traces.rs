//! Reads what changes when tables are dropped and made again, as a restored dump does.

use std::collections::BTreeMap;

use sqlx::Connection as _;

use super::{Connection, DatabaseError, Doing, OWN_TABLES, Statement, TableNames, site_tables};

const MADE: &str = include_str!("../../sql/checks/made.sql");
const DOING: &str = "look whether tables were made anew";

/// The state of the tables at one moment.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Traces {
    /// The server that told; `None` if it told of no table.
    pub server: Option<String>,
    /// When each table was made, in the server's words.
    pub made: BTreeMap<String, String>,
    /// The newest run record.
    pub newest_run: Option<u64>,
}

impl Traces {
    /// Reads them. A table that is missing, or that the account may not see, is left out.
    ///
    /// # Errors
    /// The query failed.
    pub async fn read(
        connection: &mut Connection,
        tables: &TableNames,
        newest_run: &Statement,
    ) -> Result<Self, DatabaseError> {
        // Also those that calls do not need: a dump begins with the first in the alphabet.
        let names: Vec<String> = site_tables(tables)
            .chain(OWN_TABLES)
            .map(|table| table.full_name(tables))
            .collect();
        let sql = Statement::render(MADE, tables).repeated(names.len());
        let query = names
            .iter()
            .fold(sqlx::query_as(sql), sqlx::query::QueryAs::bind);
        // In a transaction, so that a proxy which sends other reads to replicas asks the server that is written to: a replica that is
        // behind lacks the last calls, as a restored dump does.
        let mut transaction = connection.begin().await.doing(DOING)?;
        let made: Vec<(String, Option<String>, String)> =
            query.fetch_all(&mut *transaction).await.doing(DOING)?;
        let newest: Result<Option<u64>, _> = sqlx::query_scalar(newest_run.sql())
            .fetch_one(&mut *transaction)
            .await
            .doing(DOING);
        transaction.rollback().await.doing(DOING)?;
        let newest_run = match newest {
            Err(error) if error.is_missing_table() => None,
            newest => newest?,
        };
        let server = made.first().map(|(_, _, server)| server.clone());
        let made = made.into_iter();
        Ok(Self {
            server,
            made: made
                .map(|(name, made, _)| (name, made.unwrap_or_default()))
                .collect(),
            newest_run,
        })
    }

    /// The state of before, brought up to date. A table that is gone is remembered: when it is there again, it was made anew.
    /// What another server told of its tables says nothing about those of this one.
    pub fn follow(&mut self, now: Self) {
        if now.is_of_another_server(self) {
            self.made.clear();
        }
        self.made.extend(now.made);
        self.newest_run = now.newest_run;
        self.server = now.server.or(self.server.take());
    }

    /// The name in `database.url` leads to another server than before, as after a failover.
    fn is_of_another_server(&self, before: &Self) -> bool {
        let servers = self.server.as_ref().zip(before.server.as_ref());
        servers.is_some_and(|(now, before)| now != before)
    }

    /// What happened since then that a restored dump does, too, in words: a table was made anew, or the newest run record
    /// is older than one that was there. A table that is gone is for calls to report: they cannot do without it. Another
    /// server's tables are as new as that server's copy of them, but it should have all records.
    pub fn change_since(&self, before: &Self) -> Option<String> {
        let is_other = self.is_of_another_server(before);
        let is_new = |(name, made): &(&String, &String)| {
            let before = before.made.get(*name);
            !is_other && before.is_some_and(|before| before != *made)
        };
        if let Some((name, _)) = self.made.iter().find(is_new) {
            return Some(format!("{name} was made anew"));
        }
        let lost = before.newest_run > self.newest_run;
        lost.then(|| "the records of the last calls are gone".to_owned())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn traces(made: &[(&str, &str)], newest_run: Option<u64>) -> Traces {
        let made = made.iter();
        Traces {
            server: Some("a".to_owned()),
            made: made
                .map(|(name, made)| ((*name).to_owned(), (*made).to_owned()))
                .collect(),
            newest_run,
        }
    }

    #[test]
    fn what_a_restored_dump_does_is_told_from_what_calls_do() {
        let before = traces(&[("a", "1"), ("b", "1")], Some(7));
        for (now, change) in [
            (traces(&[("a", "1"), ("b", "1")], Some(9)), None),
            (traces(&[("a", "1"), ("b", "1"), ("c", "2")], Some(7)), None),
            (traces(&[("a", "1")], Some(7)), None),
            (
                traces(&[("a", "2"), ("b", "1")], Some(7)),
                Some("a was made anew"),
            ),
            (
                traces(&[("a", "1"), ("b", "1")], Some(6)),
                Some("the records of the last calls are gone"),
            ),
            (
                traces(&[("a", "1"), ("b", "1")], None),
                Some("the records of the last calls are gone"),
            ),
        ] {
            assert_eq!(now.change_since(&before).as_deref(), change);
        }
    }

    #[test]
    fn another_servers_tables_are_where_to_go_on_from() {
        let on = |server: &str, traces: Traces| Traces {
            server: Some(server.to_owned()),
            ..traces
        };
        let mut before = traces(&[("a", "1"), ("b", "1")], Some(7));
        let there = on("b", traces(&[("a", "5"), ("b", "5")], Some(7)));
        assert_eq!(there.change_since(&before), None);
        let behind = on("b", traces(&[("a", "5"), ("b", "5")], Some(6)));
        assert!(behind.change_since(&before).is_some());

        before.follow(there.clone());
        assert_eq!(there.change_since(&before), None);
        before.follow(Traces {
            newest_run: Some(7),
            ..Traces::default()
        });
        let anew = on("b", traces(&[("b", "6")], Some(7)));
        let change = anew.change_since(&before);
        assert_eq!(change.as_deref(), Some("b was made anew"));
    }
}
