//! Parses an account's privileges from `SHOW GRANTS`. Without `FOR`, both MariaDB and MySQL include what the session's
//! active roles grant. The lines may hold password hashes, so they are never shown.

mod tokens;

use std::collections::{BTreeMap, BTreeSet};

use self::tokens::{Token, tokens};

/// All grants of a session.
#[derive(Debug, Default)]
pub(super) struct Grants {
    grants: Vec<Grant>,
    /// Roles that the account may assume, active or not.
    pub(super) roles: BTreeSet<String>,
}

/// One line of `SHOW GRANTS`.
#[derive(Debug)]
struct Grant {
    /// A partial revoke of MySQL: takes away a global grant.
    revoked: bool,
    level: Level,
    /// Upper-case privilege → the columns it is limited to, if any.
    privileges: BTreeMap<String, BTreeSet<String>>,
    /// Privileges that are not limited to columns.
    whole: BTreeSet<String>,
    grantee: String,
}

#[derive(Debug, PartialEq, Eq)]
enum Level {
    Global,
    /// A pattern with `%`, `_` and backslash escapes.
    Database(String),
    Table(String, String),
}

impl Grants {
    /// Parses all lines; grants that do not concern tables are skipped.
    pub(super) fn parse<'a>(lines: impl IntoIterator<Item = &'a str>) -> Self {
        let mut grants = Self::default();
        for line in lines {
            grants.take(&tokens(line));
        }
        grants
    }

    fn take(&mut self, tokens: &[Token]) {
        let (revoked, rest) = match tokens {
            [Token::Word(word), rest @ ..] if word.eq_ignore_ascii_case("GRANT") => (false, rest),
            [Token::Word(word), rest @ ..] if word.eq_ignore_ascii_case("REVOKE") => (true, rest),
            _ => return,
        };
        let keyword = |wanted: &[&str]| {
            rest.iter()
                .position(|token| wanted.iter().any(|word| token.is_word(word)))
        };
        let Some(to) = keyword(&["TO", "FROM"]) else {
            return;
        };
        let on = keyword(&["ON"]).filter(|on| *on < to);
        let Some(on) = on else {
            // `r`@`%`: the host is no role.
            let names = rest[..to].iter().enumerate();
            let names = names.filter(|(at, _)| *at == 0 || rest[at - 1] != Token::Mark('@'));
            self.roles
                .extend(names.filter_map(|(_, token)| token.name().map(ToOwned::to_owned)));
            return;
        };
        let Some(level) = level(&rest[on + 1..to]) else {
            return;
        };
        let mut grant = Grant {
            revoked,
            level,
            privileges: BTreeMap::new(),
            whole: BTreeSet::new(),
            grantee: rest[to + 1..]
                .iter()
                .map_while(Token::quoted)
                .collect::<Vec<_>>()
                .join("@"),
        };
        grant.take_privileges(&rest[..on]);
        self.grants.push(grant);
    }

    /// Whether `privilege` (as `SELECT`) holds for the table. A column privilege holds if it covers `columns` and
    /// `columns` is not empty.
    pub(super) fn allow(
        &self,
        database: &str,
        table: &str,
        privilege: &str,
        columns: &[&str],
    ) -> bool {
        if self.allow_in_database(database, privilege) {
            return true;
        }
        let of_table = || {
            self.grants.iter().filter(|grant| {
                matches!(&grant.level, Level::Table(d, t)
                    if same(&unescape(d), database) && same(t, table))
            })
        };
        let covered = |column: &&str| {
            of_table()
                .filter_map(|grant| grant.privileges.get(privilege))
                .flatten()
                .any(|granted| granted.eq_ignore_ascii_case(column))
        };
        of_table().any(|grant| grant.holds(privilege))
            || (!columns.is_empty() && columns.iter().all(covered))
    }

    /// Whether `privilege` holds for every table of the database.
    pub(super) fn allow_in_database(&self, database: &str, privilege: &str) -> bool {
        let revoked = self.grants.iter().any(|grant| {
            let here =
                matches!(&grant.level, Level::Database(name) if same(&unescape(name), database));
            grant.revoked && here && grant.holds(privilege)
        });
        let granted = |grant: &&Grant| !grant.revoked;
        let global = self
            .grants
            .iter()
            .filter(granted)
            .any(|grant| grant.level == Level::Global && grant.holds(privilege));
        (global && !revoked)
            || self
                .of_database(database)
                .values()
                .any(|(_, grant)| grant.holds(privilege))
    }

    /// The server uses only one line per grantee: the one whose name has the most characters before a wildcard.
    fn of_database(&self, database: &str) -> BTreeMap<&str, (usize, &Grant)> {
        let mut best: BTreeMap<&str, (usize, &Grant)> = BTreeMap::new();
        for grant in self.grants.iter().filter(|grant| !grant.revoked) {
            let Level::Database(pattern) = &grant.level else {
                continue;
            };
            if !matches(pattern, database) {
                continue;
            }
            let rank = specificity(pattern);
            let known = best.get(grant.grantee.as_str());
            if known.is_none_or(|(other, _)| *other < rank) {
                best.insert(&grant.grantee, (rank, grant));
            }
        }
        best
    }
}

impl Grant {
    fn holds(&self, privilege: &str) -> bool {
        let all = ["ALL", "ALL PRIVILEGES"];
        self.whole.contains(privilege) || all.iter().any(|all| self.whole.contains(*all))
    }

    /// `SELECT (a, b), INSERT, SHOW VIEW`.
    fn take_privileges(&mut self, tokens: &[Token]) {
        let mut words = Vec::new();
        let mut columns: Option<BTreeSet<String>> = None;
        let mut inside = false;
        for token in tokens.iter().chain([&Token::Mark(',')]) {
            match token {
                Token::Mark('(') => {
                    inside = true;
                    columns = Some(BTreeSet::new());
                }
                Token::Mark(')') => inside = false,
                Token::Mark(',') if !inside => {
                    let privilege = std::mem::take(&mut words).join(" ");
                    match columns.take() {
                        Some(columns) => {
                            self.privileges
                                .entry(privilege)
                                .or_default()
                                .extend(columns);
                        }
                        None => {
                            self.whole.insert(privilege);
                        }
                    }
                }
                Token::Mark(_) => {}
                Token::Word(name) | Token::Quoted(name) if inside => {
                    columns.get_or_insert_default().insert(name.clone());
                }
                Token::Word(word) | Token::Quoted(word) => words.push(word.to_ascii_uppercase()),
            }
        }
    }
}

/// The object after ON; `None` for routines, proxies and the like.
fn level(tokens: &[Token]) -> Option<Level> {
    let tokens = match tokens {
        [Token::Word(word), rest @ ..] if word.eq_ignore_ascii_case("TABLE") => rest,
        _ => tokens,
    };
    match tokens {
        [Token::Mark('*'), Token::Mark('.'), Token::Mark('*')] => Some(Level::Global),
        [database, Token::Mark('.'), Token::Mark('*')] => {
            Some(Level::Database(database.name()?.to_owned()))
        }
        [database, Token::Mark('.'), table] => Some(Level::Table(
            database.name()?.to_owned(),
            table.name()?.to_owned(),
        )),
        _ => None,
    }
}

/// Servers that fold names to lower case list them that way.
fn same(one: &str, other: &str) -> bool {
    one.eq_ignore_ascii_case(other)
}

/// Whether a name matches a LIKE-style pattern.
fn matches(pattern: &str, name: &str) -> bool {
    fn rest_matches(pattern: &[u8], name: &[u8]) -> bool {
        match (pattern, name) {
            ([], name) => name.is_empty(),
            ([b'%', pattern @ ..], _) => {
                (0..=name.len()).any(|skipped| rest_matches(pattern, &name[skipped..]))
            }
            ([b'\\', literal @ (b'%' | b'_' | b'\\'), pattern @ ..], [first, name @ ..]) => {
                literal == first && rest_matches(pattern, name)
            }
            ([b'_', pattern @ ..], [_, name @ ..]) => rest_matches(pattern, name),
            ([letter, pattern @ ..], [first, name @ ..]) => {
                letter.eq_ignore_ascii_case(first) && rest_matches(pattern, name)
            }
            _ => false,
        }
    }
    rest_matches(pattern.as_bytes(), name.as_bytes())
}

/// The number of characters before the first wildcard; a name without one ranks highest.
fn specificity(pattern: &str) -> usize {
    let mut escaped = false;
    pattern
        .bytes()
        .position(|byte| {
            let wild = !escaped && matches!(byte, b'%' | b'_');
            escaped = !escaped && byte == b'\\';
            wild
        })
        .unwrap_or(usize::MAX)
}

fn unescape(pattern: &str) -> String {
    pattern.replace("\\_", "_").replace("\\%", "%")
}

#[cfg(test)]
mod tests;
