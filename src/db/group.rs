//! A member of a `MySQL` replication group: whether it is part of the group, and whether the group can commit.

use chrono::{NaiveDateTime, TimeDelta};
use sqlx::{AssertSqlSafe, FromRow, Row};

use super::variables::Variables;
use super::{Connection, DatabaseError, Doing, NoWrites};

/// The server's clock, beside its status variables.
pub(super) const CLOCK: &str =
    "SELECT 'utc_timestamp' AS name, CAST(UTC_TIMESTAMP(6) AS CHAR) AS value";

const MEMBERS: &str = include_str!("../../sql/checks/group_members.sql");

/// When the group last agreed on anything; empty for a member that has not been in the group since its start.
const LAST_AGREEMENT: &str = "gr_last_consensus_end_timestamp";

/// Members send each other their statistics at this interval, in seconds, so a group that is quiet agrees on that.
const INTERVAL: &str = "group_replication_flow_control_period";

/// How long a group may take to agree at the least: this is also after how long a member that is silent counts as
/// unreachable.
const PATIENCE: TimeDelta = TimeDelta::seconds(5);

const ONLINE: &str = "ONLINE";
const UNREACHABLE: &str = "UNREACHABLE";

/// A member of the group, as the server sees it.
#[derive(Clone, Debug, FromRow)]
pub struct Member {
    /// Whether it is the server itself.
    pub is_this: bool,
    /// Host and port.
    pub address: String,
    /// `ONLINE`, `RECOVERING`, `OFFLINE`, `ERROR` or `UNREACHABLE`.
    pub state: String,
    /// `PRIMARY`, `SECONDARY` or empty.
    pub role: String,
}

impl Member {
    /// Whether it takes part in the group.
    pub fn is_online(&self) -> bool {
        self.state == ONLINE
    }

    /// Whether it may take writes.
    pub fn is_primary(&self) -> bool {
        self.role == "PRIMARY"
    }
}

/// The members of the group; none if the account may not see them.
pub(super) async fn members(connection: &mut Connection) -> Result<Vec<Member>, DatabaseError> {
    let members = sqlx::query_as(MEMBERS).fetch_all(connection).await;
    match members.doing("ask for the members of the replication group") {
        Err(error) if error.is_lost_connection() => Err(error),
        members => Ok(members.unwrap_or_default()),
    }
}

/// Refuses a server that is to be a member of a group and has not entered it since its start, in which state it takes
/// writes that the group never gets. Only new connections need to ask: leaving the group makes a member read-only.
pub(super) async fn refuse_outsider(connection: &mut Connection) -> Result<(), sqlx::Error> {
    let show = async |connection: &mut Connection, sql: &'static str| {
        let row = sqlx::raw_sql(AssertSqlSafe(sql)).fetch_optional(connection);
        let value = row.await?.map(|row| row.try_get_unchecked::<String, _>(1));
        value.transpose()
    };
    let group = show(
        connection,
        "SHOW VARIABLES LIKE 'group_replication_group_name'",
    )
    .await?;
    if group.is_none_or(|name| name.is_empty()) {
        return Ok(());
    }
    let last = "SHOW GLOBAL STATUS LIKE 'Gr_last_consensus_end_timestamp'";
    if show(connection, last)
        .await?
        .is_some_and(|last| last.is_empty())
    {
        return Err(sqlx::Error::Configuration(Box::new(outsider())));
    }
    Ok(())
}

fn outsider() -> NoWrites {
    NoWrites {
        found: "this member of a replication group is OFFLINE: what it takes, the others would never get".to_owned(),
        remedy: "START GROUP_REPLICATION on it, or let database.url lead to a member that is ONLINE",
    }
}

/// What a member says about itself and the others.
#[derive(Clone, Copy)]
pub(super) struct Group<'a> {
    pub(super) said: &'a Variables,
    pub(super) members: &'a [Member],
}

impl Group<'_> {
    /// Why the member must get no writes.
    pub(super) fn no_writes(self) -> Option<NoWrites> {
        let this = self.members.iter().find(|member| member.is_this);
        let state = this.map_or("", |member| member.state.as_str());
        let has_left =
            state == "OFFLINE" || self.said.get(LAST_AGREEMENT).is_some_and(str::is_empty);
        let no = |found: &str, remedy| {
            let found = found.to_owned();
            Some(NoWrites { found, remedy })
        };
        if has_left {
            return Some(outsider());
        }
        match state {
            "ERROR" => {
                return no(
                    "this member has left its replication group after an error",
                    "see its error log, then STOP GROUP_REPLICATION and START GROUP_REPLICATION on it, or let database.url lead to a \
                     member that is ONLINE",
                );
            }
            "RECOVERING" => {
                return no(
                    "this member of a replication group is RECOVERING: it takes no writes until it has caught up",
                    "wait, or let database.url lead to a member that is ONLINE",
                );
            }
            _ => {}
        }
        if self.said.is_on("super_read_only") {
            return no(&self.why_read_only(), PRIMARY_WANTED);
        }
        self.why_no_majority().map(|found| NoWrites {
            found,
            remedy: "bring the other members or the network to them back; only if they are lost for good, see \
                     group_replication_force_members in MySQL's manual",
        })
    }

    fn why_read_only(self) -> String {
        let mut primaries = self.members.iter().filter(|member| member.is_primary());
        if self.members.is_empty() {
            return "this member of a replication group takes no writes (super_read_only is set): it is a secondary, has not \
                    caught up, or has left the group"
                .to_owned();
        }
        match primaries.find(|member| !member.is_this) {
            Some(primary) if self.said.is_on("group_replication_single_primary_mode") => format!(
                "this member of a replication group is a secondary; the primary is {}",
                primary.address
            ),
            _ => "this member of a replication group takes no writes (super_read_only is set)"
                .to_owned(),
        }
    }

    /// Without a majority a commit waits, and the server says nothing.
    fn why_no_majority(self) -> Option<String> {
        let all = self.members.len();
        let unreachable = |member: &&Member| member.state == UNREACHABLE;
        let lost = self.members.iter().filter(unreachable).count();
        if lost > 0 && 2 * lost >= all {
            return Some(format!(
                "this member of a replication group is without a majority ({lost} of {all} members cannot be reached), so a \
                 commit would wait for them"
            ));
        }
        let silence = self.silence()?;
        let interval = TimeDelta::seconds(self.said.value(INTERVAL).parse().unwrap_or_default());
        (silence > PATIENCE + interval * 2).then(|| {
            format!(
                "this member's replication group has agreed on nothing for {} s, as without a majority, so a commit would wait",
                silence.num_seconds()
            )
        })
    }

    /// For how long the group has agreed on nothing; `None` if the server does not say.
    fn silence(self) -> Option<TimeDelta> {
        let time =
            |name| NaiveDateTime::parse_from_str(self.said.value(name), "%Y-%m-%d %H:%M:%S%.f");
        let (last, now) = (time(LAST_AGREEMENT).ok()?, time("utc_timestamp").ok()?);
        Some(now - last)
    }
}

const PRIMARY_WANTED: &str = "let database.url lead to the member that takes writes; a name or a proxy that follows a failover is best";

#[cfg(test)]
mod tests {
    use super::*;

    const MULTI: [(&str, &str); 6] = [
        ("group_replication_group_name", "aaaa-bbbb"),
        ("group_replication_single_primary_mode", "OFF"),
        (INTERVAL, "1"),
        ("super_read_only", "OFF"),
        (LAST_AGREEMENT, "2026-11-26 14:59:07.113896"),
        ("utc_timestamp", "2026-11-26 14:59:08.975683"),
    ];

    fn members(states: &[(&str, &str)]) -> Vec<Member> {
        let numbered = states.iter().zip(3306..);
        let member = |((state, role), port): (&(&str, &str), u16)| Member {
            is_this: port == 3306,
            address: format!("db:{port}"),
            state: (*state).to_owned(),
            role: (*role).to_owned(),
        };
        numbered.map(member).collect()
    }

    #[track_caller]
    fn assert_says(differs: &[(&str, &str)], states: &[(&str, &str)], found: &str) {
        let said = MULTI.map(|(name, sound)| {
            let differing = differs.iter().find(|(other, _)| *other == name);
            (name, differing.map_or(sound, |(_, value)| value))
        });
        let (said, members) = (&Variables::from(said), &members(states)[..]);
        let no_writes = Group { said, members }.no_writes();
        let said = no_writes.map(|no| no.to_string());
        match said {
            None => assert_eq!(found, "", "{differs:?} {states:?}"),
            Some(said) => assert!(!found.is_empty() && said.contains(found), "{said}"),
        }
    }

    #[test]
    fn a_member_gets_writes_only_in_a_group_that_can_commit() {
        let single = ("group_replication_single_primary_mode", "ON");
        let read_only = ("super_read_only", "ON");
        let (online, lost) = (("ONLINE", "PRIMARY"), (UNREACHABLE, "PRIMARY"));
        let secondary = ("ONLINE", "SECONDARY");
        for (differs, states, found) in [
            (&[][..], &[][..], ""),
            (&[], &[online, online, online], ""),
            (&[], &[online, online, lost], ""),
            (&[], &[online, lost, lost], "2 of 3 members"),
            (&[], &[online, lost], "without a majority"),
            (&[(LAST_AGREEMENT, "2026-11-26 14:59:02.5")], &[], ""),
            (
                &[(LAST_AGREEMENT, "2026-11-26 14:58:50.0")],
                &[],
                "nothing for 18 s",
            ),
            // Members that are quiet by configuration.
            (
                &[(LAST_AGREEMENT, "2026-11-26 14:58:50.0"), (INTERVAL, "10")],
                &[],
                "",
            ),
            (&[(LAST_AGREEMENT, "")], &[], "OFFLINE"),
            (&[], &[("OFFLINE", "")], "START GROUP_REPLICATION"),
            (
                &[read_only],
                &[("RECOVERING", "PRIMARY"), online],
                "caught up",
            ),
            (&[read_only], &[("ERROR", ""), online], "after an error"),
            (&[read_only], &[], "super_read_only is set"),
            (&[read_only], &[online, online], "super_read_only is set"),
            (
                &[single, read_only],
                &[secondary, online, secondary],
                "the primary is db:3307",
            ),
            (&[single], &[online, secondary, secondary], ""),
        ] {
            assert_says(differs, states, found);
        }
    }

    #[test]
    fn a_server_that_does_not_say_when_its_group_agreed_is_not_suspected() {
        let said = &Variables::from([MULTI[0], MULTI[1], MULTI[3]]);
        let older = Group { said, members: &[] };
        assert_eq!(older.no_writes(), None);
    }
}
