//! Texts that differ: on Postgres whoever claims locks the endpoint's row, so that two nodes do not split a connection's
//! order between them (without the key: enqueuing refers to it); SQLite has one writer and no row locks.

use crate::statements;

macro_rules! lock {
    ($lock:literal) => {
        concat!(
            "SELECT failures, open_until_us, url, environment_pk, probe_connection_pk FROM endpoint WHERE pk = $1",
            $lock
        )
    };
}

macro_rules! head {
    ($lock:literal) => {
        concat!(
            "SELECT last_position FROM event_head WHERE environment_pk = $1",
            $lock
        )
    };
}

statements! {
    ENDPOINT_LOCK = lock!(" FOR NO KEY UPDATE SKIP LOCKED"), sqlite: lock!("");
    HEAD_LOCK = head!(" FOR UPDATE"), sqlite: head!("");
}
