//! The spaces and courses that a webhook may name.

use std::collections::BTreeSet;

use sqlx::FromRow;

use crate::db::{Connection, DatabaseError, Doing, Statements};

/// What a space is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Kind {
    /// A community space.
    Space,
    /// A course.
    Course,
}

/// A space or course.
#[derive(Clone, Debug, FromRow)]
pub struct Target {
    /// Row id in `fcom_spaces`.
    pub id: u64,
    /// As FluentCommunity shows it.
    pub title: String,
    /// The part of its address.
    pub slug: String,
    /// The logo's address.
    pub logo: Option<String>,
    /// The serialised settings.
    pub settings: Option<Vec<u8>>,
    is_course: bool,
}

/// All spaces and courses of a site, ordered by title.
#[derive(Debug)]
pub struct Targets(Vec<Target>);

impl Targets {
    /// # Errors
    /// The statement failed.
    pub async fn read(
        connection: &mut Connection,
        statements: &Statements,
    ) -> Result<Self, DatabaseError> {
        let targets = sqlx::query_as(statements.webhook_targets.sql());
        let targets = targets.fetch_all(connection).await;
        Ok(Self(targets.doing("read the spaces and courses")?))
    }

    /// Those of one kind.
    pub fn of(&self, kind: Kind) -> impl Iterator<Item = &Target> {
        let is_course = kind == Kind::Course;
        self.0.iter().filter(move |one| one.is_course == is_course)
    }

    /// Of these ids those that exist and are of this kind, ascending, each once: what the plugin stores.
    pub fn existing(&self, kind: Kind, ids: &[u64]) -> Vec<u64> {
        let known = self.of(kind).map(|target| target.id);
        let known: BTreeSet<u64> = known.filter(|id| ids.contains(id)).collect();
        known.into_iter().collect()
    }

    /// The one that somebody means by an id, a slug or a title (in any case).
    ///
    /// # Errors
    /// There is none, or there are several; in words that help.
    pub fn named(&self, kind: Kind, name: &str) -> Result<u64, String> {
        let what = match kind {
            Kind::Space => "space",
            Kind::Course => "course",
        };
        let lower = name.to_lowercase();
        let rules: [&dyn Fn(&Target) -> bool; 3] = [
            &|target| target.id.to_string() == name,
            &|target| target.slug == name,
            &|target| target.title.to_lowercase() == lower,
        ];
        let list = |targets: &[&Target]| {
            let lines = targets.iter();
            let lines = lines.map(|one| format!("\n  {:>5}  {}  {}", one.id, one.slug, one.title));
            lines.collect::<String>()
        };
        for rule in rules {
            match self.of(kind).filter(|one| rule(one)).collect::<Vec<_>>()[..] {
                [] => {}
                [one] => return Ok(one.id),
                ref several => {
                    return Err(format!(
                        "several {what}s are called {name:?}, name one by its id:{}",
                        list(several)
                    ));
                }
            }
        }
        let all: Vec<&Target> = self.of(kind).collect();
        Err(if all.is_empty() {
            format!("there is no {what} {name:?}, and no other {what} either")
        } else {
            format!("there is no {what} {name:?}; there are:{}", list(&all))
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn target(id: u64, title: &str, slug: &str, is_course: bool) -> Target {
        Target {
            id,
            title: title.to_owned(),
            slug: slug.to_owned(),
            logo: None,
            settings: None,
            is_course,
        }
    }

    #[test]
    fn a_space_is_found_by_id_slug_or_title_and_ambiguity_is_said() {
        let targets = Targets(vec![
            target(3, "General", "general", false),
            target(4, "Shop", "shop-1", false),
            target(5, "Shop", "shop-2", false),
            target(6, "Rust", "rust", true),
            target(7, "9", "7-slug", false),
        ]);
        let space = |name| targets.named(Kind::Space, name);
        assert_eq!(space("3"), Ok(3));
        assert_eq!(space("shop-2"), Ok(5));
        assert_eq!(space("gENERAL"), Ok(3));
        assert_eq!(space("9"), Ok(7));
        let several = space("Shop").unwrap_err();
        assert!(
            several.contains("shop-1") && several.contains("    5"),
            "{several}"
        );
        let none = space("rust").unwrap_err();
        assert!(
            none.contains("no space \"rust\"") && none.contains("general"),
            "{none}"
        );
        assert_eq!(targets.named(Kind::Course, "rust"), Ok(6));
        assert_eq!(targets.existing(Kind::Space, &[5, 99, 3, 6, 5]), [3, 5]);
    }
}
