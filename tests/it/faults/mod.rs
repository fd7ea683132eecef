//! What callers see during faults and overload, and that recovery needs no operator unless the cause does.

mod clock_jumps;
mod database_away;
mod database_unresponsive;
mod database_unusable;
mod few_connections;
mod mail_server_misbehaves;
mod needs_operator;
mod overload;
mod passes_by_itself;
mod wrong_clock;
