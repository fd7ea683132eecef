//! What happens to a site in years of operation: tables that are lost or restored, a site that moves, a member who asks
//! whether a call came. What is wrong is said with one remedy everywhere, and what can mend itself does.

mod find;
mod leftovers;
mod moved;
mod outage;
mod own_tables;
mod refused;
mod restore;
mod retry;
