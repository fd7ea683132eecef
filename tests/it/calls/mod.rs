//! The effects of a call: its answer and the site's rows, as PHP would have left them.

mod characters;
mod contract;
mod course_emails;
mod differences;
mod memberships;
mod names;
mod settings;
mod sources;
mod time_zone;
mod tried;
mod user_count;
mod vectors;
