//! MySQL and MariaDB error numbers.

use std::ops::RangeInclusive;

pub(super) const LOCK_WAIT_TIMEOUT: u16 = 1205;
pub(super) const DEADLOCK: u16 = 1213;
pub(super) const RECORD_CHANGED: u16 = 1020;
/// `ALTER TABLE` or the like has changed a table between two statements, or while one was prepared.
pub(super) const TABLE_CHANGED: [u16; 2] = [1412, 1615];
pub(super) const TOO_MANY_CONNECTIONS: u16 = 1040;
pub(super) const TOO_MANY_USER_CONNECTIONS: u16 = 1203;
/// One of the account's limits; the others are for statements and connections per hour.
pub(super) const ACCOUNT_LIMIT: u16 = 1226;
pub(super) const NO_SUCH_TABLE: u16 = 1146;
pub(super) const DUPLICATE_KEY: u16 = 1062;
/// Table, column, index or primary key exists; a column or index to be changed or dropped does not.
pub(super) const DONE_ALREADY: [u16; 6] = [1050, 1054, 1060, 1061, 1068, 1091];
/// The server shuts down, or ends this session: for good, by an administrator, or because it was idle.
const ENDED_BY_SERVER: [u16; 6] = [1053, 1079, 1080, 1927, 3169, 4031];
/// What a client library says of its connection: no server sends these, but a proxy hands them on, for any statement, when
/// it has lost its server or reaches none.
pub(super) const OF_CLIENT_LIBRARIES: RangeInclusive<u16> = 2000..=2999;
/// Those of `ProxySQL` itself: it has reached no server in time, or not after several attempts.
const NO_SERVER_BEHIND_PROXY: [u16; 2] = [9001, 9002];
/// The server could not read from the connection or write to it, or aborts it.
const BROKEN_CONNECTION: [u16; 10] = [1152, 1154, 1155, 1156, 1157, 1158, 1159, 1160, 1161, 1184];
/// The session has never prepared this statement: a proxy has put another one behind the connection.
const UNKNOWN_STATEMENT: u16 = 1243;
/// All sessions together have as many prepared statements as the server allows.
pub(super) const TOO_MANY_PREPARED: u16 = 1461;
pub(super) const INCORRECT_STRING: u16 = 1366;
pub(super) const DATA_TOO_LONG: u16 = 1406;
/// A column is compared with text that has characters which its character set lacks: with one text, two, or more.
pub(super) const INCOMPARABLE: [u16; 3] = [1267, 1270, 1271];
/// `MySQL`'s errors for characters missing from a column's character set, in a literal and in a parameter.
pub(super) const NO_CONVERSION: [u16; 2] = [3854, 3988];
pub(super) const READ_ONLY_OPTION: u16 = 1290;
pub(super) const READ_ONLY_TRANSACTION: u16 = 1792;
pub(super) const READ_ONLY_SERVER: u16 = 1836;
/// `MySQL` admits administrators only; a member that was expelled from its group may do this.
pub(super) const OFFLINE_MODE: u16 = 3032;
pub(super) const INTERRUPTED: u16 = 1317;
/// A conflict at commit in Group Replication: every member rolls back.
pub(super) const ROLLED_BACK_AT_COMMIT: u16 = 3101;
pub(super) const COMMIT_FAILED: u16 = 1180;
/// The server left its replication group while a transaction waited to be committed there: the group may commit it.
pub(super) const HOOK_FAILED: u16 = 3100;
/// Officially "Unknown command"; a Galera node outside the majority answers every statement with it.
pub(super) const NOT_PREPARED: u16 = 1047;
/// Disk full, file or temporary file not written, storage engine error, table or tablespace full, undo slots used
/// up; the last two are operating system error numbers that old servers pass on.
pub(super) const FULL_STORAGE: [u16; 9] = [1021, 1026, 1030, 1114, 1137, 1637, 1878, 3, 28];
/// Files that cannot be opened, crashed or corrupt tables and indexes, missing tablespaces.
pub(super) const BROKEN_STORAGE: [u16; 12] = [
    1016, 1017, 1033, 1034, 1035, 1194, 1195, 1712, 1812, 1814, 1815, 1932,
];
/// Out of memory, locks or threads; statements that the server ends because they take too long (MariaDB, MySQL).
pub(super) const SHORT_OF_RESOURCES: [u16; 7] = [1037, 1038, 1041, 1135, 1206, 1969, 3024];
pub(super) const UNKNOWN_COLUMN: u16 = 1054;
pub(super) const NO_DEFAULT: u16 = 1364;
/// A value that the column's type does not allow.
pub(super) const TRUNCATED: [u16; 2] = [1265, 1292];
/// User, password, database or machine are not accepted.
pub(super) const NOT_LET_IN: [u16; 5] = [1044, 1045, 1049, 1130, 1698];
/// The account may not use a table or a column; its password has expired, or it is locked (`MySQL`).
pub(super) const DENIED: [u16; 6] = [1142, 1143, 1820, 1862, 3118, 3955];

/// The connection is lost, or the one between a proxy and the server.
pub(super) fn is_of_lost_connection(number: u16) -> bool {
    ENDED_BY_SERVER.contains(&number)
        || BROKEN_CONNECTION.contains(&number)
        || OF_CLIENT_LIBRARIES.contains(&number)
        || NO_SERVER_BEHIND_PROXY.contains(&number)
        || number == UNKNOWN_STATEMENT
}

#[cfg(test)]
mod tests {
    use super::is_of_lost_connection;

    #[test]
    fn what_proxies_hand_on_is_a_lost_connection() {
        for number in [2000, 2003, 2006, 2013, 2999, 9001, 1053, 1243, 1927] {
            assert!(is_of_lost_connection(number), "{number}");
        }
        for number in [1999, 3000, 1047, 1062, 1153, 1213, 1461, 9003] {
            assert!(!is_of_lost_connection(number), "{number}");
        }
    }
}
