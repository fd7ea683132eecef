//! Renders the operator's own welcome mail: `welcome.subject.txt` and `welcome.body.txt` in `mail.templates`, in Jinja
//! syntax.

use std::path::{Path, PathBuf};
use std::{fs, io};

use minijinja::{Environment, UndefinedBehavior, context};

use super::text::{Links, Text, Welcome};

const SUBJECT: &str = "welcome.subject.txt";
const BODY: &str = "welcome.body.txt";

/// Why the templates are unusable.
#[derive(Debug, thiserror::Error)]
pub enum TemplatesError {
    /// A file is missing or not readable.
    #[error("mail.templates: {} cannot be read", path.display())]
    Unreadable {
        /// The file.
        path: PathBuf,
        /// The system's error.
        source: io::Error,
    },
    /// A file is not a valid template.
    #[error("mail.templates: {} is no template", path.display())]
    Invalid {
        /// The file.
        path: PathBuf,
        /// What is wrong, and where.
        source: minijinja::Error,
    },
}

/// Both templates, or none.
pub struct Templates(Option<Environment<'static>>);

impl Templates {
    /// Reads the two files of `mail.templates`; without that option, WordPress's own text is used.
    ///
    /// # Errors
    /// A file is missing or is not a valid template.
    pub fn read(folder: Option<&Path>) -> Result<Self, TemplatesError> {
        let Some(folder) = folder else {
            return Ok(Self(None));
        };
        let mut environment = Environment::new();
        environment.set_undefined_behavior(UndefinedBehavior::Strict);
        for name in [SUBJECT, BODY] {
            let path = folder.join(name);
            let unreadable = |source| TemplatesError::Unreadable {
                path: path.clone(),
                source,
            };
            let text = fs::read_to_string(&path).map_err(unreadable)?;
            environment
                .add_template_owned(name, text)
                .map_err(|source| TemplatesError::Invalid { path, source })?;
        }
        Ok(Self(Some(environment)))
    }

    /// `None` without templates. The subject becomes one line.
    pub(super) fn render(
        &self,
        welcome: &Welcome<'_>,
        site_name: &str,
        locale: &str,
        links: &Links,
    ) -> Result<Option<Text>, minijinja::Error> {
        let Some(environment) = &self.0 else {
            return Ok(None);
        };
        let values = context! {
            site_name,
            locale,
            site_url => &links.site,
            login => welcome.login,
            display_name => welcome.display_name,
            set_password_url => &links.set_password,
            login_url => &links.login,
        };
        let render = |name| environment.get_template(name)?.render(&values);
        let (subject, body) = (render(SUBJECT)?, render(BODY)?);
        Ok(Some(Text {
            subject: subject.split_whitespace().collect::<Vec<_>>().join(" "),
            body,
        }))
    }
}
