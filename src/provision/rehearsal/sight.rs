//! The rows that belong to a member and to a webhook, as the tables have them.

use super::super::plan::Plan;
use crate::db::ShownRow;
use crate::fluentcommunity::action_scheduler::Job;

/// Whose rows to look at.
#[derive(Clone)]
pub struct Subject {
    /// The member; 0 for nobody.
    pub user_id: u64,
    /// Row id in `fcom_meta`; 0 for none.
    pub webhook_id: u64,
    /// The same as text, which memberships have: with a number, the server would read all of them.
    pub(super) user_text: String,
    /// Scheduled jobs: hook and arguments.
    pub jobs: Vec<(String, String)>,
}

/// Rows of one table. Nothing is hidden: hashes and addresses included, hence no `Debug`.
pub struct Seen {
    /// The table's name without its prefix.
    pub name: &'static str,
    /// Its full name.
    pub table: String,
    /// `None` where the account may not read them.
    pub rows: Option<Vec<ShownRow>>,
}

impl Subject {
    pub(super) fn of(plan: &Plan<'_>) -> Self {
        let jobs = plan.jobs.iter().map(|job| match job {
            Job::Schedule { hook, args, .. } | Job::Cancel { hook, args } => {
                ((*hook).to_owned(), args.clone())
            }
        });
        Self::new(plan.user_id, plan.webhook_id, jobs.collect())
    }

    pub(in super::super) fn new(
        user_id: u64,
        webhook_id: u64,
        jobs: Vec<(String, String)>,
    ) -> Self {
        Self {
            user_id,
            user_text: user_id.to_string(),
            webhook_id,
            jobs,
        }
    }

    /// The same for another member.
    pub fn with_user(&self, user_id: u64) -> Self {
        let jobs = self.jobs.iter();
        let jobs = jobs.map(|(hook, args)| {
            let args = args_of(args, self.user_id, user_id);
            (hook.clone(), args)
        });
        Self::new(user_id, self.webhook_id, jobs.collect())
    }
}

/// The arguments of one member's job as another's: the last one is the member.
pub(in super::super) fn args_of(args: &str, ours: u64, theirs: u64) -> String {
    match args.rsplit_once(&format!("{ours}]")) {
        Some((before, "")) if before.ends_with(['[', ',']) => format!("{before}{theirs}]"),
        _ => args.to_owned(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn jobs_follow_their_member() {
        let jobs = ["[7]", "[12,7]", "[17]", "[7,8]"];
        let jobs = jobs.map(|args| ("hook".to_owned(), args.to_owned()));
        let subject = Subject::new(7, 1, jobs.to_vec());
        let of_other = subject.with_user(9).jobs.into_iter().map(|(_, args)| args);
        let args: Vec<String> = of_other.collect();
        assert_eq!(args, ["[9]", "[12,9]", "[17]", "[7,8]"]);
    }
}
