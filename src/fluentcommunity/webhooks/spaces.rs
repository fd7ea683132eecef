//! Finds the spaces and courses that a webhook may name.

use std::collections::BTreeSet;

use sqlx::FromRow;

use crate::db::{Connection, DatabaseError, Doing, Statements};

/// The kind of a space.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Kind {
    /// A community space.
    Space,
    /// A course.
    Course,
}

/// A space or course.
#[derive(Clone, Debug, FromRow)]
pub struct SpaceOrCourse {
    /// Row id in `fcom_spaces`.
    pub id: u64,
    /// The title shown in FluentCommunity.
    pub title: String,
    /// The slug in its address.
    pub slug: String,
    /// The logo's address.
    pub logo: Option<String>,
    /// The serialised settings.
    pub settings: Option<Vec<u8>>,
    is_course: bool,
}

/// All spaces and courses of a site, ordered by title.
#[derive(Debug)]
pub struct SpacesAndCourses(Vec<SpaceOrCourse>);

impl SpacesAndCourses {
    /// # Errors
    /// The statement failed.
    pub async fn read(
        connection: &mut Connection,
        statements: &Statements,
    ) -> Result<Self, DatabaseError> {
        let found = sqlx::query_as(statements.webhook_targets.sql());
        let found = found.fetch_all(connection).await;
        Ok(Self(found.doing("read the spaces and courses")?))
    }

    /// The spaces of one kind.
    pub fn of(&self, kind: Kind) -> impl Iterator<Item = &SpaceOrCourse> {
        let is_course = kind == Kind::Course;
        self.0.iter().filter(move |one| one.is_course == is_course)
    }

    /// Those of `ids` that exist and are of this kind, ascending and deduplicated: what the plugin stores.
    pub fn existing(&self, kind: Kind, ids: &[u64]) -> Vec<u64> {
        let known = self.of(kind).map(|one| one.id);
        let known: BTreeSet<u64> = known.filter(|id| ids.contains(id)).collect();
        known.into_iter().collect()
    }

    /// Resolves a name to one space or course: an id, a slug or a title (case-insensitive).
    ///
    /// # Errors
    /// There is no match, or more than one.
    pub fn named(&self, kind: Kind, name: &str) -> Result<u64, UnclearName<'_>> {
        let lower = name.to_lowercase();
        let rules: [&dyn Fn(&SpaceOrCourse) -> bool; 3] = [
            &|one| one.id.to_string() == name,
            &|one| one.slug == name,
            &|one| one.title.to_lowercase() == lower,
        ];
        for rule in rules {
            match self.of(kind).filter(|one| rule(one)).collect::<Vec<_>>()[..] {
                [] => {}
                [one] => return Ok(one.id),
                ref several => return Err(UnclearName::Several(several.to_vec())),
            }
        }
        Err(UnclearName::Unknown(self.of(kind).collect()))
    }
}

/// Why a name does not identify a single space or course.
#[derive(Clone, Debug)]
pub enum UnclearName<'a> {
    /// Several match.
    Several(Vec<&'a SpaceOrCourse>),
    /// None matches; these exist.
    Unknown(Vec<&'a SpaceOrCourse>),
}

#[cfg(test)]
mod tests {
    use super::*;

    fn row(id: u64, title: &str, slug: &str, is_course: bool) -> SpaceOrCourse {
        SpaceOrCourse {
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
        let all = SpacesAndCourses(vec![
            row(3, "General", "general", false),
            row(4, "Shop", "shop-1", false),
            row(5, "Shop", "shop-2", false),
            row(6, "Rust", "rust", true),
            row(7, "9", "7-slug", false),
        ]);
        for (name, id) in [("3", 3), ("shop-2", 5), ("gENERAL", 3), ("9", 7)] {
            assert_eq!(all.named(Kind::Space, name).ok(), Some(id), "{name}");
        }
        let slugs = |list: Vec<&SpaceOrCourse>| -> Vec<String> {
            list.into_iter().map(|one| one.slug.clone()).collect()
        };
        match all.named(Kind::Space, "Shop") {
            Err(UnclearName::Several(two)) => assert_eq!(slugs(two), ["shop-1", "shop-2"]),
            other => panic!("{other:?}"),
        }
        match all.named(Kind::Space, "rust") {
            Err(UnclearName::Unknown(others)) => assert_eq!(
                slugs(others),
                ["general", "shop-1", "shop-2", "7-slug"],
                "courses are none of them"
            ),
            other => panic!("{other:?}"),
        }
        assert_eq!(all.named(Kind::Course, "rust").ok(), Some(6));
        assert_eq!(all.existing(Kind::Space, &[5, 99, 3, 6, 5]), [3, 5]);
    }
}
