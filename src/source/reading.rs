//! A sender's calls: how they are read, and what one of them says.

use std::sync::Arc;

use chrono::{DateTime, Utc};

use super::expression::{Condition, Scope};
use super::field::{Field, Rule};
use super::padding::without_padding;
use super::signature::{Flaw, Signature};
use super::tree::{Malformed, Tree};

/// The type of bodies that a source reads.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Bodies {
    /// Forms only.
    Form,
    /// JSON only.
    Json,
    /// Both.
    Any,
}

/// What the calls of a webhook look like.
#[derive(Debug, Clone)]
#[expect(
    clippy::struct_excessive_bools,
    reason = "each is an option of its own"
)]
pub struct Source {
    /// The operator's name for it.
    pub name: String,
    /// Row id of the webhook in `fcom_meta`.
    pub webhook_id: u64,
    /// What its sender sends.
    pub bodies: Bodies,
    /// Where the fields are; `None` reads the five fields by their names, as of a webhook without a source.
    pub fields: Option<Vec<(Field, Rule)>>,
    /// Calls for which this does not hold are ignored.
    pub only_if: Option<Condition>,
    /// Whether nobody is created.
    pub remove_only: bool,
    /// Whether blanks and unseen characters around addresses are taken away.
    pub trim_email: bool,
    /// Whether addresses are turned into lower case.
    pub lower_case_email: bool,
    /// Whether PHP may execute calls of the webhook, in its own way.
    pub php_may_execute: bool,
    /// What names a call, so that it is not executed twice.
    pub idempotency: Option<Origin>,
    /// How its sender signs.
    pub signature: Option<Signature>,
    /// A form that has nothing but this field is the sender's test.
    pub ping_field: Option<String>,
}

/// Where the name of a call is.
#[derive(Debug, Clone)]
pub enum Origin {
    /// In a header.
    Header(String),
    /// In the body.
    Body(Rule),
}

/// A request, as far as a source looks at it.
pub struct Received<'a> {
    /// The body.
    pub body: &'a [u8],
    /// The decoded pairs of a form; `None` for JSON.
    pub form: Option<Vec<(Vec<u8>, Vec<u8>)>>,
    /// The headers that are text and there once, with names in lower case.
    pub headers: Arc<[(String, String)]>,
    /// When it came in.
    pub at: DateTime<Utc>,
    /// Whether the body can be read in no other way than the declared one.
    pub reads_one_way: bool,
}

/// What a request is to a source.
pub enum Reading {
    /// Not the sender's.
    Unsigned(Flaw),
    /// The sender's, but not to be read.
    Malformed(Malformed),
    /// The sender's test, which asks for nothing.
    Ping,
    /// `only_if` does not hold; with the paths of its values.
    Ignored(Arc<Tree>),
    /// A call.
    Call(Mapped),
}

/// What a call says.
pub struct Mapped {
    /// The fields that are set: with the value, and how it was found.
    pub fields: Vec<(Field, String, String)>,
    /// The name of the call.
    pub name: Option<String>,
    /// All values.
    pub tree: Arc<Tree>,
}

impl Source {
    /// Reads a request.
    pub fn read(&self, received: Received<'_>) -> Reading {
        let Received {
            body,
            form,
            headers,
            at,
            reads_one_way,
        } = received;
        if self.is_ping(form.as_deref()) {
            return Reading::Ping;
        }
        let header = |wanted: &str| {
            let mut headers = headers.iter();
            headers
                .find(|(name, _)| name.eq_ignore_ascii_case(wanted))
                .map(|(_, value)| value.as_str())
        };
        if let Some(signature) = self.signature.as_ref().filter(|one| !one.is_in_body())
            && let Err(flaw) = signature.verify(header(&signature.header), body, reads_one_way, at)
        {
            return Reading::Unsigned(flaw);
        }
        let tree = match form {
            Some(pairs) => Tree::of_form(pairs),
            None => Tree::of_json(body),
        };
        let tree = match tree {
            Ok(tree) => Arc::new(tree),
            Err(malformed) => return Reading::Malformed(malformed),
        };
        if let Some(signature) = self.signature.as_ref().filter(|one| one.is_in_body())
            && let Err(flaw) = signature.verify_body(&tree)
        {
            return Reading::Unsigned(flaw);
        }
        let scope = || Scope {
            tree: Arc::clone(&tree),
            headers: Arc::clone(&headers),
        };
        if let Some(condition) = &self.only_if
            && !condition.holds(scope())
        {
            return Reading::Ignored(tree);
        }
        let name = match &self.idempotency {
            Some(Origin::Header(name)) => header(name)
                .filter(|value| !value.trim().is_empty())
                .map(str::to_owned),
            Some(Origin::Body(rule)) => rule.name(&tree, &headers),
            None => None,
        };
        Reading::Call(Mapped {
            fields: self.map(&tree, &headers),
            name,
            tree,
        })
    }

    fn map(
        &self,
        tree: &Arc<Tree>,
        headers: &Arc<[(String, String)]>,
    ) -> Vec<(Field, String, String)> {
        let by_name;
        let rules = if let Some(rules) = &self.fields {
            rules.as_slice()
        } else {
            by_name = Field::ALL.map(|field| (field, Rule::of(field)));
            &by_name[..]
        };
        let found = rules.iter().filter_map(|(field, rule)| {
            let (value, how) = rule.find(tree, headers)?;
            Some((*field, value, how))
        });
        found.collect()
    }

    /// The address as the source has it: as it came, unless it is to be tidied. Only letters of addresses get smaller: others, such as
    /// the sign for Kelvin, would become some.
    pub fn tidy_email(&self, email: String) -> String {
        let email = if self.trim_email {
            without_padding(&email).to_owned()
        } else {
            email
        };
        if self.lower_case_email {
            email.to_ascii_lowercase()
        } else {
            email
        }
    }

    fn is_ping(&self, form: Option<&[(Vec<u8>, Vec<u8>)]>) -> bool {
        match (&self.ping_field, form) {
            (Some(field), Some([(name, _)])) => name == field.as_bytes(),
            _ => false,
        }
    }
}
