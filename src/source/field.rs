//! How one field of a webhook is found in a body: the first that is set of a list of paths, templates and fixed texts.

use std::sync::Arc;

use super::BadRule;
use super::expression::{Scope, Template};
use super::language::Blanks;
use super::path::Path;
use super::tree::Tree;

/// A field that webhooks read.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Field {
    /// The member's address.
    Email,
    /// The first name.
    FirstName,
    /// The last name.
    LastName,
    /// The requested login.
    UserLogin,
    /// The requested password.
    UserPassword,
}

impl Field {
    /// All of them.
    pub const ALL: [Self; 5] = [
        Self::Email,
        Self::FirstName,
        Self::LastName,
        Self::UserLogin,
        Self::UserPassword,
    ];

    /// As webhooks call it.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Email => "email",
            Self::FirstName => "first_name",
            Self::LastName => "last_name",
            Self::UserLogin => "user_login",
            Self::UserPassword => "user_password",
        }
    }
}

/// Where a value comes from, in one of several ways; never empty.
#[derive(Debug, Clone)]
pub struct Rule(Vec<One>);

#[derive(Debug, Clone)]
enum One {
    Path(Path),
    Template(Template),
    Fixed(String),
}

impl Rule {
    /// The rule that takes the value of the field's own name.
    pub fn of(field: Field) -> Self {
        Self(vec![One::Path(Path::named(field.name()))])
    }

    /// Parses alternatives, of which the first that is set counts.
    ///
    /// # Errors
    /// One of them can never be set.
    pub fn parse<'a>(alternatives: impl IntoIterator<Item = &'a str>) -> Result<Self, BadRule> {
        let parsed = alternatives.into_iter().map(One::parse);
        let parsed: Vec<One> = parsed.collect::<Result<_, _>>()?;
        if parsed.is_empty() {
            let remedy = "name at least one path, or remove it";
            return Err(BadRule::new("is an empty list", remedy));
        }
        Ok(Self(parsed))
    }

    /// Whether it may find a text that is the same for all calls.
    pub fn may_be_fixed(&self) -> bool {
        self.0.iter().any(|one| matches!(one, One::Fixed(_)))
    }

    /// The first value that is set, and how it was found.
    pub(super) fn find(
        &self,
        tree: &Arc<Tree>,
        headers: &Arc<[(String, String)]>,
    ) -> Option<(String, String)> {
        self.find_with(tree, headers, Blanks::Stay)
    }

    /// The name of a call. Where a value in it is blank, it would be the name of other calls, too, so it is none.
    pub(super) fn name(
        &self,
        tree: &Arc<Tree>,
        headers: &Arc<[(String, String)]>,
    ) -> Option<String> {
        let found = self.find_with(tree, headers, Blanks::AreMissing);
        found.map(|(name, _)| name)
    }

    fn find_with(
        &self,
        tree: &Arc<Tree>,
        headers: &Arc<[(String, String)]>,
        blanks: Blanks,
    ) -> Option<(String, String)> {
        self.0.iter().find_map(|one| {
            let scope = || Scope {
                tree: Arc::clone(tree),
                headers: Arc::clone(headers),
            };
            let value = match one {
                One::Path(path) => path.find(tree)?.text()?,
                One::Fixed(text) => text.clone(),
                One::Template(template) => template.render(scope(), blanks)?,
            };
            (!value.trim().is_empty()).then(|| (value, one.told()))
        })
    }
}

impl One {
    fn parse(text: &str) -> Result<Self, BadRule> {
        let quoted = text
            .strip_prefix('\'')
            .and_then(|rest| rest.strip_suffix('\''));
        match quoted {
            Some(fixed) if fixed.trim().is_empty() => {
                let remedy = "write a text between the quotes, or remove it";
                Err(BadRule::new("is an empty text", remedy))
            }
            Some(fixed) => Ok(Self::Fixed(fixed.to_owned())),
            None if text.contains("{{") || text.contains("{%") => {
                Template::parse(text).map(Self::Template)
            }
            None => Path::parse(text).map(Self::Path),
        }
    }

    fn told(&self) -> String {
        match self {
            Self::Path(path) => path.as_str().to_owned(),
            Self::Template(template) => template.as_str().to_owned(),
            Self::Fixed(_) => "a fixed text".to_owned(),
        }
    }
}
