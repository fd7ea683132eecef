//! A call's open transaction.

use chrono::{DateTime, Utc};

use super::ProvisionError;
use super::claims::Claims;
use super::execution::Execution;
use super::facts::Facts;
use super::names::UsernameSource;
use super::plan::Plan;
use crate::db::{Connection, DatabaseError, Statements};
use crate::fluentcommunity::course_emails::{self, Section};
use crate::site::Site;
use crate::wordpress::time::{SiteZone, format};

/// An open transaction and what its statements need.
pub(super) struct Transaction<'a> {
    pub(super) execution: &'a Execution<'a>,
    pub(super) facts: &'a Facts,
    pub(super) connection: &'a mut Connection,
    pub(super) claims: Claims,
    pub(super) zone: SiteZone,
    /// The timestamp of every row that it writes.
    pub(super) now: DateTime<Utc>,
}

impl<'a> Transaction<'a> {
    /// Uses a connection on which the first batch begins the transaction.
    pub(super) fn begin(
        execution: &'a Execution<'a>,
        facts: &'a Facts,
        connection: &'a mut Connection,
    ) -> Self {
        Self {
            execution,
            facts,
            connection,
            claims: Claims::of_call(execution.call.id),
            zone: facts.options.zone(),
            now: execution.site().clock.now(),
        }
    }

    /// The site that is written to.
    pub(super) fn site(&self) -> &'a Site {
        self.execution.site()
    }

    /// Its statements.
    pub(super) fn statements(&self) -> &'a Statements {
        &self.site().statements
    }

    /// Now as FluentCommunity stores it: site-local time.
    pub(super) fn local_now(&self) -> String {
        format(self.zone.local(self.now))
    }

    /// Claims a free profile username.
    pub(super) async fn reserve(
        &mut self,
        source: &UsernameSource<'_>,
    ) -> Result<String, ProvisionError> {
        let statements = self.statements();
        let claims = &mut self.claims;
        source.reserve(self.connection, statements, claims).await
    }

    /// The sections of the structured courses that the plan affects.
    pub(super) async fn sections(
        &mut self,
        plan: &Plan<'_>,
    ) -> Result<Vec<Section>, DatabaseError> {
        let courses = &plan.structured_courses;
        course_emails::sections(self.connection, self.statements(), courses).await
    }
}
