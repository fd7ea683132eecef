//! Reads the rows that a plan is based on, and writes the plan's rows.

use sqlx::FromRow;

use super::{Membership, MembershipPlan, Space};
use crate::db::{Answer, Batch, DatabaseError, Doing, Literal, Statements};

#[derive(FromRow)]
struct SpaceRow {
    space_id: u64,
    is_course: bool,
    settings: Option<Vec<u8>>,
    membership_id: Option<u64>,
    status: Option<String>,
    is_active: bool,
    role: Option<String>,
    created_at: Option<String>,
}

/// Adds the query for the spaces and courses among `ids` with the user's memberships in them; [`spaces`] reads its
/// answer. A new user has no id yet, and no memberships. Without ids, adds no query.
pub fn ask_in(
    batch: &mut Batch,
    statements: &Statements,
    user_id: Option<u64>,
    ids: &[u64],
) -> Option<usize> {
    let user_id = user_id.map(|id| id.to_string());
    let mut literals = vec![user_id.as_ref().map_or(Literal::Null, Literal::from)];
    literals.extend(ids.iter().map(|id| Literal::from(*id)));
    (!ids.is_empty()).then(|| batch.add(&statements.spaces_with_membership, ASK, &literals))
}

const ASK: &str = "read spaces and memberships";

/// The result of the query from [`ask_in`].
///
/// # Errors
/// A row does not have the expected columns.
pub fn spaces(answer: Option<&Answer>) -> Result<Vec<Space>, DatabaseError> {
    let rows = answer.map_or(&[][..], |answer| &answer.rows);
    let rows: Result<Vec<SpaceRow>, _> = rows.iter().map(SpaceRow::from_row).collect();
    Ok(grouped(rows.doing(ASK)?))
}

/// Sorted here: with settings among the columns, the server would sort by way of a table on disk.
fn grouped(mut rows: Vec<SpaceRow>) -> Vec<Space> {
    rows.sort_unstable_by_key(|row| (row.space_id, row.membership_id));
    let mut spaces: Vec<Space> = Vec::new();
    for row in rows {
        if spaces.last().is_none_or(|space| space.id != row.space_id) {
            spaces.push(Space {
                id: row.space_id,
                is_course: row.is_course,
                settings: row.settings,
                memberships: Vec::new(),
            });
        }
        if let (Some(space), Some(id)) = (spaces.last_mut(), row.membership_id) {
            space.memberships.push(Membership {
                id: Some(id),
                status: row.status,
                is_active: row.is_active,
                role: row.role,
                created_at: row.created_at,
            });
        }
    }
    spaces
}

impl MembershipPlan {
    /// Adds the statements that write the rows; `now` is the site-local literal.
    pub fn write_in(&self, batch: &mut Batch, statements: &Statements, user_id: u64, now: &str) {
        // The column is a VARCHAR.
        let user_id = user_id.to_string();
        if !self.delete.is_empty() {
            let ids: Vec<Literal<'_>> = self.delete.iter().map(|id| (*id).into()).collect();
            batch.add(&statements.delete_memberships, "delete memberships", &ids);
        }
        for (row_id, role) in &self.reactivate {
            let literals = [role.into(), now.into(), (*row_id).into()];
            let doing = "reactivate a membership";
            batch.add(&statements.reactivate_membership, doing, &literals);
        }
        if !self.insert.is_empty() {
            let literals: Vec<Literal<'_>> = self
                .insert
                .iter()
                .flat_map(|(id, role)| {
                    let user = Literal::Text(&user_id);
                    [(*id).into(), (*role).into(), user, now.into(), now.into()]
                })
                .collect();
            batch.add(
                &statements.insert_membership,
                "insert memberships",
                &literals,
            );
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn row(space_id: u64, membership_id: Option<u64>) -> SpaceRow {
        SpaceRow {
            space_id,
            is_course: false,
            settings: None,
            membership_id,
            status: None,
            is_active: false,
            role: None,
            created_at: None,
        }
    }

    #[test]
    fn rows_in_any_order_make_spaces_with_their_oldest_membership_first() {
        let rows = [(9, None), (4, Some(12)), (2, Some(7)), (4, Some(3))];
        let rows = rows.map(|(space_id, membership_id)| row(space_id, membership_id));
        let spaces = grouped(rows.into());
        let ids = |space: &Space| space.memberships.iter().filter_map(|row| row.id).collect();
        let spaces: Vec<(u64, Vec<u64>)> = spaces.iter().map(|one| (one.id, ids(one))).collect();
        assert_eq!(spaces, [(2, vec![7]), (4, vec![3, 12]), (9, vec![])]);
    }
}
