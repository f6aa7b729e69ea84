//! Texts that differ: Postgres skips rows that another node has locked, `SQLite` has one writer and no row locks.

crate::statements! {
    INBOUND_HOLD = "
        SELECT pk FROM inbound WHERE pk = $1 AND step = $2 AND after_connection_pk = $3 FOR UPDATE SKIP LOCKED",
        sqlite: "SELECT pk FROM inbound WHERE pk = $1 AND step = $2 AND after_connection_pk = $3";
}
