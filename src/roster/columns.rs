//! Which column is which field of a call.

use super::FIELDS;

/// Headings as programs write them, without blanks, hyphens and underscores, in lower case; for each field.
const HEADINGS: [(&str, &[&str]); 5] = [
    (
        "email",
        &[
            "email",
            "useremail",
            "emailaddress",
            "mail",
            "emailadresse",
            "mailadresse",
            "correoelectronico",
            "courriel",
            "subscriberemail",
            "memberemail",
        ],
    ),
    (
        "first_name",
        &[
            "firstname",
            "first",
            "givenname",
            "forename",
            "vorname",
            "prenom",
            "prénom",
            "nombre",
            "billingfirstname",
        ],
    ),
    (
        "last_name",
        &[
            "lastname",
            "last",
            "surname",
            "familyname",
            "nachname",
            "familienname",
            "apellidos",
            "billinglastname",
        ],
    ),
    (
        "user_login",
        &["userlogin", "login", "username", "benutzername"],
    ),
    (
        "user_password",
        &["userpassword", "userpass", "password", "passwort"],
    ),
];

/// A column that the operator names for a field, `email=E-Mail Address`, or none: `user_password=`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Mapping {
    field: &'static str,
    heading: String,
}

impl std::str::FromStr for Mapping {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let (field, heading) = text
            .split_once('=')
            .ok_or("write it as FIELD=COLUMN, e.g. \"email=E-Mail Address\"")?;
        let found = FIELDS.into_iter().find(|known| *known == field);
        Ok(Self {
            field: found.ok_or_else(|| format!("the fields are {}", FIELDS.join(", ")))?,
            heading: heading.trim().to_owned(),
        })
    }
}

/// The headings of the columns of each field.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Columns {
    /// By field, in the order of [`FIELDS`], the number of the column.
    places: [Option<usize>; 5],
    /// Fields with their headings.
    pub used: Vec<(&'static str, String)>,
    /// Headings of columns that are no field.
    pub ignored: Vec<String>,
}

/// The columns are not clear.
#[derive(Debug, PartialEq, Eq, thiserror::Error)]
pub enum ColumnsError {
    /// None has the addresses.
    #[error("no column is the address; the columns are {0}. Name it: --map \"email=COLUMN\"")]
    NoAddress(String),
    /// Several could be the field.
    #[error("several columns could be {field}: {headings}. Name one: --map \"{field}=COLUMN\"")]
    Several {
        /// The field.
        field: &'static str,
        /// The columns.
        headings: String,
    },
    /// The operator has named a column that is not there.
    #[error("there is no column \"{heading}\" for {field}; the columns are {headings}")]
    Unknown {
        /// The field.
        field: &'static str,
        /// Its column.
        heading: String,
        /// Those that are there.
        headings: String,
    },
}

impl Columns {
    /// # Errors
    /// See [`ColumnsError`].
    pub fn of(headings: &[String], mappings: &[Mapping]) -> Result<Self, ColumnsError> {
        let quoted = |some: &mut dyn Iterator<Item = &String>| {
            let some: Vec<String> = some.map(|heading| format!("\"{heading}\"")).collect();
            some.join(", ")
        };
        let mut columns = Self::default();
        for (index, (field, known)) in HEADINGS.iter().enumerate() {
            let mapping = mappings
                .iter()
                .rev()
                .find(|mapping| mapping.field == *field);
            let is_it = |heading: &&String| match mapping {
                Some(mapping) => !mapping.heading.is_empty() && heading.trim() == mapping.heading,
                None => known.contains(&bare(heading).as_str()),
            };
            let found: Vec<usize> = (0..headings.len())
                .filter(|place| is_it(&&headings[*place]))
                .collect();
            match (&found[..], mapping) {
                ([place], _) => {
                    columns.places[index] = Some(*place);
                    columns.used.push((field, headings[*place].clone()));
                }
                ([], None) => {}
                // The field is left out.
                ([], Some(mapping)) if mapping.heading.is_empty() => {}
                ([], Some(mapping)) => {
                    return Err(ColumnsError::Unknown {
                        field,
                        heading: mapping.heading.clone(),
                        headings: quoted(&mut headings.iter()),
                    });
                }
                (several, _) => {
                    let several = quoted(&mut several.iter().map(|place| &headings[*place]));
                    return Err(ColumnsError::Several {
                        field,
                        headings: several,
                    });
                }
            }
        }
        if columns.places[0].is_none() {
            return Err(ColumnsError::NoAddress(quoted(&mut headings.iter())));
        }
        let is_unused = |place: &usize| !columns.places.contains(&Some(*place));
        let unused = (0..headings.len()).filter(is_unused);
        columns.ignored = unused
            .map(|place| headings[place].clone())
            .filter(|heading| !heading.trim().is_empty())
            .collect();
        Ok(columns)
    }

    /// Whether passwords are in a column that has the name of WordPress's own, in which hashes are.
    pub(super) fn may_be_hashes(&self) -> bool {
        let mut used = self.used.iter();
        used.any(|(field, heading)| *field == "user_password" && bare(heading) == "userpass")
    }

    /// The column of a field, by its index in [`FIELDS`].
    pub(super) fn place(&self, field: usize) -> Option<usize> {
        self.places[field]
    }
}

/// Lower case, without what separates words.
fn bare(heading: &str) -> String {
    let letters = heading
        .chars()
        .filter(|c| !c.is_whitespace() && !"-_.*:".contains(*c));
    letters.flat_map(char::to_lowercase).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn columns(headings: &str, mappings: &[&str]) -> Result<Columns, ColumnsError> {
        let headings: Vec<String> = headings.split(';').map(ToOwned::to_owned).collect();
        let mappings: Vec<Mapping> = mappings.iter().map(|text| text.parse().unwrap()).collect();
        Columns::of(&headings, &mappings)
    }

    #[test]
    fn headings_of_other_programs_are_recognised() {
        for (headings, places) in [
            (
                "email;first_name;last_name;user_login;user_password",
                [Some(0), Some(1), Some(2), Some(3), Some(4)],
            ),
            (
                "user_login;user_email;display_name;role;user_pass",
                [Some(1), None, None, Some(0), Some(4)],
            ),
            (
                "Vorname;Nachname;E-Mail-Adresse",
                [Some(2), Some(0), Some(1), None, None],
            ),
            (
                "First Name; E-mail ;Last Name",
                [Some(1), Some(0), Some(2), None, None],
            ),
        ] {
            assert_eq!(columns(headings, &[]).unwrap().places, places, "{headings}");
        }
        let export = columns("user_email;display_name;;role", &[]).unwrap();
        assert_eq!(export.ignored, ["display_name", "role"]);
    }

    #[test]
    fn what_is_not_clear_is_asked_for_by_name() {
        let mapped = columns("Kontakt;email;E-Mail", &["email=Kontakt"]).unwrap();
        assert_eq!(mapped.places[0], Some(0));
        let left_out = columns("email;user_pass", &["user_password="]).unwrap();
        assert_eq!(
            (left_out.places[4], &left_out.ignored[..]),
            (None, &["user_pass".to_owned()][..])
        );
        for (headings, mappings, message) in [
            (
                "email;E-Mail",
                &[][..],
                "several columns could be email: \"email\", \"E-Mail\". Name one: --map \"email=COLUMN\"",
            ),
            (
                "Name;Kontakt",
                &[],
                "no column is the address; the columns are \"Name\", \"Kontakt\". Name it: --map \"email=COLUMN\"",
            ),
            (
                "email",
                &["last_name=Name"],
                "there is no column \"Name\" for last_name; the columns are \"email\"",
            ),
        ] {
            assert_eq!(
                columns(headings, mappings).unwrap_err().to_string(),
                message
            );
        }
        assert!("phone=Tel".parse::<Mapping>().is_err() && "email".parse::<Mapping>().is_err());
    }
}
