//! What a call does: its answer and the rows of the site, as PHP would have left them.

mod contract;
mod course_emails;
mod differences;
mod memberships;
mod names;
mod settings;
mod time_zone;
mod user_count;
mod vectors;
