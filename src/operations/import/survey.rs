//! Reads a list and changes nothing: how many of its lines can be carried out, for new members and for known ones, and why others cannot.

use std::collections::{HashMap, HashSet};
use std::io::{Read, Seek, SeekFrom};

use serde::Serialize;

use super::addresses::Collected;
use super::{Addresses, CallOf, Unfit, fit};
use crate::db::{DatabaseError, Doing};
use crate::provision::Ignored;
use crate::roster::{Lines, Recognised};
use crate::site::Site;

/// Addresses that are looked for at once.
const AT_ONCE: usize = 500;
/// Lines that are named with what is wrong with them; all are counted.
const MOST_NAMED: usize = 1000;

/// What a list holds.
#[derive(Clone, Debug, Default, Serialize)]
pub struct Survey {
    /// Lines that are not empty, without the headings.
    pub lines: u64,
    /// Of these, for new members.
    pub new: u64,
    /// For members whom the site knows.
    pub known: u64,
    /// Whose address stands in an earlier line.
    pub twice: u64,
    /// That cannot be carried out.
    pub refused: u64,
    /// What is wrong, of at most a thousand lines.
    pub problems: Vec<Problem>,
    /// For the second reading.
    #[serde(skip)]
    pub addresses: Addresses,
}

/// A line that is not carried out.
#[derive(Clone, Debug, Serialize)]
pub struct Problem {
    /// Its number in the file.
    pub line: u64,
    /// Why.
    pub reason: String,
}

/// A list cannot be surveyed.
#[derive(Debug, thiserror::Error)]
pub enum SurveyError {
    /// The file cannot be read.
    #[error("the file cannot be read")]
    Io(#[from] std::io::Error),
    /// A statement failed.
    #[error(transparent)]
    Database(#[from] DatabaseError),
}

/// Reads a list twice. Leaves the file at its beginning.
///
/// # Errors
/// The file or the users cannot be read.
pub async fn survey(
    site: &Site,
    file: &mut (impl Read + Seek),
    recognised: &Recognised,
    call: &CallOf,
) -> Result<Survey, SurveyError> {
    let mut collected = Collected::default();
    let mut lines = Lines::of(&mut *file, recognised);
    while let Some(line) = lines.next_line()? {
        if let Ok(email) = &call(&line).email {
            collected.add(&email.stored().to_lowercase());
        }
    }
    drop(lines);
    file.seek(SeekFrom::Start(0))?;
    let mut survey = Survey::default();
    let mut seen = collected.repeated();
    let mut asked = HashMap::new();
    let mut lines = Lines::of(&mut *file, recognised);
    while let Some(line) = lines.next_line()? {
        survey.lines += 1;
        let unfit = match fit(&line, call, &mut seen) {
            Ok(call) => {
                let known_only = call.source.is_some_and(|read| read.known_only);
                let about = known_only.then_some(line.number);
                let address = call.email.ok().map(|email| email.stored().to_lowercase());
                asked.extend(address.map(|address| (address, about)));
                if asked.len() == AT_ONCE {
                    survey.count(site, &mut asked).await?;
                }
                continue;
            }
            Err(unfit) => unfit,
        };
        match unfit {
            Unfit::Twice(_) => survey.twice += 1,
            Unfit::Address(_) | Unfit::Misread(_) | Unfit::Hash => survey.refused += 1,
        }
        survey.name(line.number, unfit.reason());
    }
    drop(lines);
    survey.count(site, &mut asked).await?;
    survey.problems.sort_by_key(|problem| problem.line);
    survey.addresses = seen.for_another_reading();
    file.seek(SeekFrom::Start(0))?;
    Ok(survey)
}

impl Survey {
    fn name(&mut self, line: u64, reason: String) {
        if self.problems.len() < MOST_NAMED {
            self.problems.push(Problem { line, reason });
        }
    }

    /// Counts whom the site knows of these, each with the line that is not carried out if it does not.
    async fn count(
        &mut self,
        site: &Site,
        asked: &mut HashMap<String, Option<u64>>,
    ) -> Result<(), DatabaseError> {
        if asked.is_empty() {
            return Ok(());
        }
        let found = site.pool.work(async |connection| {
            let statement = site.statements.known_addresses.repeated(asked.len());
            let mut query = sqlx::query_scalar::<_, String>(statement);
            for address in asked.keys() {
                query = query.bind(address);
            }
            query
                .fetch_all(connection)
                .await
                .doing("look for the members that are known")
        });
        let found: HashSet<String> = found.await?.iter().map(|one| one.to_lowercase()).collect();
        for (address, about) in asked.drain() {
            match about {
                _ if found.contains(&address) => self.known += 1,
                None => self.new += 1,
                Some(line) => {
                    self.refused += 1;
                    self.name(line, Ignored::Nobody.to_string());
                }
            }
        }
        Ok(())
    }
}
