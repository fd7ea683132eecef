//! Creates community profiles: rows of `{prefix}fcom_xprofile`. Mirrors `User::syncXProfile` without force, core 2.8.1:
//! an existing profile is never changed.

use sqlx::FromRow;

use crate::db::{Answer, Batch, DatabaseError, Doing, Literal, Statements};
use crate::wordpress::php::{self, Array, Value, loose};
use crate::wordpress::sanitize::meta_value::looks_serialized;
use crate::wordpress::version::Version;

/// Column length, in characters. Our session is strict; PHP's truncates silently.
const DISPLAY_NAME_LENGTH: usize = 192;
/// `short_description` is TEXT, so the limit is in bytes.
const SHORT_DESCRIPTION_BYTES: usize = 65_535;

/// The input of a profile.
#[derive(Clone, Debug, Default)]
pub struct ProfileFacts {
    /// User meta `first_name`, as stored.
    pub first_name: String,
    /// User meta `last_name`, as stored.
    pub last_name: String,
    /// `display_name` of the users row.
    pub display_name: String,
    /// User meta `description`.
    pub description: String,
    /// The description as HTML, see [`render_description`](super::markdown::render_description).
    pub description_rendered: String,
    /// `user_url`.
    pub website: String,
    /// User meta `_fluent_cover_photo`.
    pub cover_photo: String,
}

impl ProfileFacts {
    /// Every text.
    pub fn texts(&mut self) -> [&mut String; 6] {
        [
            &mut self.first_name,
            &mut self.last_name,
            &mut self.display_name,
            &mut self.description,
            &mut self.website,
            &mut self.cover_photo,
        ]
    }

    /// The profile's display name: the real name if there is one, else WordPress's display name.
    fn display_name(&self) -> String {
        let both = format!("{} {}", self.first_name, self.last_name);
        let name = if loose::is_empty(self.first_name.as_bytes())
            && loose::is_empty(self.last_name.as_bytes())
        {
            &self.display_name
        } else {
            both.trim_matches([' ', '\t', '\n', '\r', '\0', '\x0b'])
        };
        name.chars().take(DISPLAY_NAME_LENGTH).collect()
    }

    /// The serialised `meta` column.
    fn meta(&self) -> Vec<u8> {
        let mut meta = Array::new();
        meta.set("website", Value::String(self.website.clone().into()));
        meta.set(
            "cover_photo",
            Value::String(self.cover_photo.clone().into()),
        );
        meta.set(
            "short_description_rendered",
            Value::String(self.description_rendered.clone().into()),
        );
        Value::Array(meta).write()
    }
}

/// A row to insert.
#[derive(Clone, Debug)]
pub struct NewProfile {
    /// Fits its column.
    pub username: String,
    /// The source of the other columns.
    pub facts: ProfileFacts,
    /// The registration time, a site-local literal.
    pub created_at: String,
    /// The current time, a site-local literal.
    pub updated_at: String,
}

impl NewProfile {
    /// Adds the statement that inserts the row. A duplicate key means that the user got a profile in the meantime.
    pub fn insert_in(&self, batch: &mut Batch, statements: &Statements, user_id: u64) {
        let facts = &self.facts;
        let meta = String::from_utf8_lossy(&facts.meta()).into_owned();
        let literals = [
            user_id.into(),
            Literal::Text(&self.username),
            Literal::Text(&facts.display_name()),
            Literal::Text(cut_bytes(&facts.description, SHORT_DESCRIPTION_BYTES)),
            Literal::Text(&meta),
            Literal::Text(&self.created_at),
            Literal::Text(&self.updated_at),
        ];
        batch.add(
            &statements.insert_xprofile,
            "insert the community profile",
            &literals,
        );
    }
}

#[derive(FromRow)]
struct MetaRow {
    meta_key: String,
    meta_value: Option<Vec<u8>>,
}

/// Adds the query for the user meta of which an existing user's profile is made; [`facts_from_usermeta`] reads its answer.
pub fn ask_usermeta_in(batch: &mut Batch, statements: &Statements, user_id: u64) -> usize {
    batch.add(&statements.profile_usermeta, READ_META, &[user_id.into()])
}

const READ_META: &str = "read the user's names and description";

/// The names and texts; does not render the description.
///
/// # Errors
/// A row does not have the expected columns.
pub fn facts_from_usermeta(answer: &Answer) -> Result<ProfileFacts, DatabaseError> {
    let rows: Result<Vec<MetaRow>, _> = answer.rows.iter().map(MetaRow::from_row).collect();
    let rows = rows.doing(READ_META)?;
    let text = |key: &str| {
        let row = rows.iter().find(|row| row.meta_key == key);
        row.and_then(|row| row.meta_value.as_deref())
            .map(plain_text)
            .unwrap_or_default()
    };
    Ok(ProfileFacts {
        first_name: text("first_name"),
        last_name: text("last_name"),
        description: text("description"),
        cover_photo: text("_fluent_cover_photo"),
        ..ProfileFacts::default()
    })
}

/// A meta value as `get_user_meta` returns it if it is text; anything else counts as empty.
fn plain_text(stored: &[u8]) -> String {
    let text = if looks_serialized(stored, Version::NEWEST) {
        match php::parse(loose::trim(stored)) {
            Ok(Value::String(text)) => text,
            _ => Vec::new(),
        }
    } else {
        stored.to_vec()
    };
    String::from_utf8_lossy(&text).into_owned()
}

fn cut_bytes(text: &str, most: usize) -> &str {
    &text[..text.floor_char_boundary(most)]
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_display_name_is_the_real_name_or_else_wordpresss() {
        for (first, last, expected) in [
            ("Jane", "Doe", "Jane Doe"),
            ("", "Doe", "Doe"),
            ("Jane", "", "Jane"),
            ("", "", "jdoe"),
        ] {
            let facts = ProfileFacts {
                first_name: first.into(),
                last_name: last.into(),
                display_name: "jdoe".into(),
                ..ProfileFacts::default()
            };
            assert_eq!(facts.display_name(), expected);
        }
        let long = ProfileFacts {
            first_name: "é".repeat(300),
            ..ProfileFacts::default()
        };
        assert_eq!(long.display_name().chars().count(), 192);
    }

    #[test]
    fn a_new_users_meta_is_the_recorded_one() {
        let meta = ProfileFacts::default().meta();
        let expected = r#"a:3:{s:7:"website";s:0:"";s:11:"cover_photo";s:0:"";s:26:"short_description_rendered";s:0:"";}"#;
        assert_eq!(String::from_utf8(meta).unwrap(), expected);
    }

    #[test]
    fn a_text_is_cut_between_characters() {
        assert_eq!(cut_bytes("aéb", 2), "a");
        assert_eq!(cut_bytes("aéb", 9), "aéb");
    }
}
