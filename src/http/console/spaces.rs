//! Names of spaces and courses.

use std::collections::BTreeMap;

use crate::fluentcommunity::webhooks::{Kind, SpacesAndCourses};

/// The titles of all spaces and courses, by id.
pub(super) struct Titles(BTreeMap<u64, (String, bool)>);

impl Titles {
    pub(super) fn of(all: &SpacesAndCourses) -> Self {
        let of = |kind| {
            let is_course = kind == Kind::Course;
            all.of(kind)
                .map(move |one| (one.id, (one.title.clone(), is_course)))
        };
        Self(of(Kind::Space).chain(of(Kind::Course)).collect())
    }

    /// The title, or the id of what is gone.
    pub(super) fn title(&self, id: u64) -> String {
        let found = self.0.get(&id).map(|(title, _)| title);
        let title = found.filter(|title| !title.trim().is_empty());
        title.cloned().unwrap_or_else(|| format!("space {id}"))
    }

    pub(super) fn is_course(&self, id: u64) -> bool {
        self.0.get(&id).is_some_and(|(_, is_course)| *is_course)
    }

    /// Titles in a row.
    pub(super) fn row(&self, ids: &[u64]) -> String {
        let titles: Vec<String> = ids.iter().map(|&id| self.title(id)).collect();
        titles.join(", ")
    }
}
