//! Compares the account's privileges with those that `serve` needs.

use sqlx::Row;

use super::grants::Grants;
use super::report::Finding;
use super::server::DatabaseServer;
use crate::config::Transport;
use crate::db::{
    Connection, DatabaseError, Doing, OWN_TABLES, Purpose, SiteTable, Statement, TableNames,
    site_tables,
};

pub(super) const PRIVILEGES: &str = "privileges";
pub(super) const OPTIONAL_PRIVILEGES: &str = "optional-privileges";
pub(super) const MIGRATE: &str = "migrate-privileges";

const GRANTS: &str = include_str!("../../sql/checks/grants.sql");

pub(super) async fn check(
    connection: &mut Connection,
    tables: &TableNames,
    server: &DatabaseServer,
    transport: Transport,
) -> Vec<Finding> {
    let grants = match read(connection, tables).await {
        Ok(grants) => grants,
        Err(error) => {
            let remedy = "let the account run SHOW GRANTS, which every account may";
            let why = "the grants cannot be read";
            return vec![
                Finding::failed(PRIVILEGES, error.to_string(), remedy),
                Finding::skipped(OPTIONAL_PRIVILEGES, why),
                Finding::skipped(MIGRATE, why),
            ];
        }
    };
    let account = Account {
        grants: &grants,
        tables,
        database: server.database(),
        name: server.account(),
    };
    let needed = |table: &&SiteTable| {
        table.purpose == Purpose::Calls
            || table.purpose == Purpose::Jobs && transport == Transport::WordPress
    };
    // Only the daemon's own senders look at links.
    let is_used =
        |table: &&SiteTable| table.purpose != Purpose::ResetLinks || transport == Transport::Smtp;
    let optional = |table: &&SiteTable| !needed(table) && is_used(table);
    let all = || site_tables(tables).chain(OWN_TABLES);
    vec![
        account.judge(PRIVILEGES, all().filter(needed)),
        account.judge(OPTIONAL_PRIVILEGES, all().filter(optional)),
        account.may_migrate(),
    ]
}

pub(super) fn skipped() -> Vec<Finding> {
    [PRIVILEGES, OPTIONAL_PRIVILEGES, MIGRATE]
        .map(|name| Finding::skipped(name, "the server did not tell about itself"))
        .into()
}

async fn read(connection: &mut Connection, tables: &TableNames) -> Result<Grants, DatabaseError> {
    let rows = sqlx::raw_sql(Statement::render(GRANTS, tables).sql())
        .fetch_all(connection)
        .await
        .doing("read the account's privileges")?;
    let lines: Vec<String> = rows
        .iter()
        .map(|row| row.try_get_unchecked(0))
        .collect::<Result<_, _>>()
        .doing("read the account's privileges")?;
    Ok(Grants::parse(lines.iter().map(String::as_str)))
}

/// What an operator does without who does not grant it.
fn needed_for(purpose: Purpose) -> &'static str {
    match purpose {
        Purpose::Calls => "for every call",
        Purpose::StructuredCourses | Purpose::Jobs => "for structured courses only",
        Purpose::ResetLinks => {
            "for welcome mails that leave late: without it they replace the link of a member who has requested one since, or has a \
             password"
        }
    }
}

struct Account<'a> {
    grants: &'a Grants,
    tables: &'a TableNames,
    database: &'a str,
    /// The account in the notation of GRANT.
    name: String,
}

impl Account<'_> {
    /// Every privilege on every table, or the statements that grant what is missing.
    fn judge<'t>(
        &self,
        name: &'static str,
        tables: impl Iterator<Item = &'t SiteTable>,
    ) -> Finding {
        let (mut missing, mut remedies, mut count) = (Vec::new(), Vec::new(), 0);
        let mut uses: Vec<&str> = Vec::new();
        for table in tables {
            count += 1;
            let full_name = table.full_name(self.tables);
            let lacking: Vec<(&str, &[&str])> = table
                .privileges()
                .into_iter()
                .map(|(privilege, columns)| (privilege.keyword(), columns))
                .filter(|(privilege, columns)| {
                    let grants = self.grants;
                    !grants.allow(self.database, &full_name, privilege, columns)
                })
                .collect();
            if lacking.is_empty() {
                continue;
            }
            let needed = needed_for(table.purpose);
            if !uses.contains(&needed) {
                uses.push(needed);
            }
            let named = lacking.iter().map(|(privilege, _)| *privilege);
            let named: Vec<&str> = named.collect();
            missing.push(format!("{} on {full_name}", named.join(", ")));
            // No wider than in sql/grants.sql: UPDATE on all columns of the users would be that of passwords and addresses.
            let is_own = OWN_TABLES.iter().any(|own| own.name == table.name);
            let limited = lacking.iter().map(|(privilege, columns)| match columns {
                columns if is_own || columns.is_empty() => (*privilege).to_owned(),
                columns => format!("{privilege} ({})", columns.join(", ")),
            });
            let limited: Vec<String> = limited.collect();
            remedies.push(format!(
                "GRANT {} ON `{}`.`{full_name}` TO {};",
                limited.join(", "),
                self.database,
                self.name
            ));
        }
        if missing.is_empty() {
            return Finding::ok(name, format!("all that is needed on {count} tables"));
        }
        let found = format!("missing: {}", missing.join("; "));
        let mut remedy = remedies.join(" ");
        if !self.grants.roles.is_empty() {
            let roles: Vec<&str> = self.grants.roles.iter().map(String::as_str).collect();
            remedy
                .push_str(" Or, if a role of the account has them: SET DEFAULT ROLE, with one of ");
            remedy.push_str(&roles.join(", "));
        }
        if name == PRIVILEGES {
            Finding::failed(name, found, remedy)
        } else {
            let found = format!("{found}; needed {}", uses.join(", and "));
            Finding::warning(name, found, remedy)
        }
    }

    fn may_migrate(&self) -> Finding {
        let needed = ["CREATE", "ALTER", "INDEX", "SELECT", "INSERT", "UPDATE"];
        let lacking: Vec<&str> = needed
            .into_iter()
            .filter(|privilege| !self.grants.allow_in_database(self.database, privilege))
            .collect();
        if lacking.is_empty() {
            return Finding::ok(MIGRATE, "this account may create the sidecar's own tables");
        }
        let found = format!(
            "this account may not create tables ({} missing on the database), which serve does not need once they are \
             there: let another account run migrate, now and after upgrades",
            lacking.join(", ")
        );
        Finding::ok(MIGRATE, found)
    }
}
