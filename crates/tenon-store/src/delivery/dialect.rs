//! Texts that differ: on Postgres whoever claims locks the endpoint's row, so that two nodes do not split a connection's
//! order between them (without the key: enqueuing refers to it); SQLite has one writer and no row locks. Outcomes reach
//! Postgres as arrays in one round trip; SQLite runs one prepared statement per delivery, which costs less there.

use crate::statements;

macro_rules! lock {
    ($more:literal, $lock:literal) => {
        concat!(
            "SELECT failures, open_until_us, url, environment_pk, probe_connection_pk",
            $more,
            " FROM endpoint WHERE pk = $1",
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

/// What a claim returns. The event's columns come as subqueries: SQLite's `RETURNING` sees no joined table.
macro_rules! claimed {
    () => {
        " RETURNING delivery.pk, id, environment_pk, connection_pk, attempts, fence, operation_id, created_at_us,
                (SELECT e.id FROM event e WHERE e.pk = delivery.event_pk),
                (SELECT e.body FROM event e WHERE e.pk = delivery.event_pk),
                (SELECT e.headers FROM event e WHERE e.pk = delivery.event_pk),
                (SELECT e.kind FROM event e WHERE e.pk = delivery.event_pk)"
    };
}
pub(super) use claimed;

macro_rules! claim_set {
    () => {
        "UPDATE delivery SET lease_owner = $3, lease_expires_at_us = $4, next_at_us = $4, fence = fence + 1 "
    };
}

/// Conditions that always hold, and sums that change nothing, choose the indexes: the queue in its order, up to the limit.
macro_rules! claim_pick {
    () => {
        "SELECT d.pk FROM delivery d
            WHERE d.endpoint_pk = $1 AND d.state = 'waiting' AND d.created_at_us >= 0 AND d.next_at_us + 0 <= $2
                AND (
                    SELECT o.pk FROM delivery o
                    WHERE o.endpoint_pk = d.endpoint_pk AND o.connection_pk = d.connection_pk AND o.state = 'waiting'
                        AND o.next_at_us > $2 AND o.pk < d.pk AND o.attempts < $6
                    LIMIT 1) IS NULL
            ORDER BY d.created_at_us, d.pk LIMIT $5"
    };
}

macro_rules! end {
    ($state:literal, $attempts:literal, $next:literal, $status:literal, $error:literal, $finished:literal) => {
        concat!(
            "UPDATE delivery SET state = ",
            $state,
            ", attempts = ",
            $attempts,
            ", next_at_us = ",
            $next,
            ",
                lease_owner = NULL, lease_expires_at_us = NULL, last_status = ",
            $status,
            ",
                last_error = ",
            $error,
            ", finished_at_us = ",
            $finished,
            " "
        )
    };
}

macro_rules! attempts {
    ($rows:literal) => {
        concat!(
            "INSERT INTO attempt (pk, delivery_pk, at_us, status, error, duration_us) ",
            $rows,
            // A commit whose answer was lost is tried again.
            " ON CONFLICT (pk) DO NOTHING"
        )
    };
}

statements! {
    /// A delivery waits while an older one of its connection is on its way, or failed only a few times ($6). Materialized
    /// on Postgres, which would else merge the whole table with the few that were picked.
    CLAIM_DUE = concat!(
        "WITH picked AS MATERIALIZED (", claim_pick!(), ") ", claim_set!(),
        "FROM picked WHERE delivery.pk = picked.pk", claimed!()
    ), sqlite: concat!(claim_set!(), "WHERE pk IN (", claim_pick!(), ")", claimed!());

    /// What became of deliveries, as far as their leases still hold. `waiting` is said in other words on Postgres, which
    /// would else read all that waits to find a few.
    DELIVERIES_END = concat!(
        end!("ended.state", "ended.attempts", "ended.next_at_us", "ended.status", "ended.error", "ended.finished_at_us"),
        "FROM UNNEST($1::bigint[], $2::bigint[], $3::text[], $4::bigint[], $5::bigint[], $6::bigint[], $7::text[],
            $8::bigint[]) AS ended (pk, fence, state, attempts, next_at_us, status, error, finished_at_us)
        WHERE delivery.pk = ended.pk AND delivery.fence = ended.fence
            AND delivery.state NOT IN ('delivered', 'failed')"
    ), sqlite: concat!(
        end!("$3", "$4", "$5", "$6", "$7", "$8"),
        "WHERE pk = $1 AND fence = $2 AND state = 'waiting'"
    );

    ATTEMPTS_INSERT = attempts!(
        "SELECT * FROM UNNEST($1::bigint[], $2::bigint[], $3::bigint[], $4::bigint[], $5::text[], $6::bigint[])"
    ), sqlite: attempts!("VALUES ($1, $2, $3, $4, $5, $6)");

    /// The claim behind it is thought dear by Postgres, which would compile it each time for longer than it runs.
    ENDPOINT_LOCK = lock!(", set_config('jit', 'off', TRUE)", " FOR NO KEY UPDATE SKIP LOCKED"),
    sqlite: lock!("", "");
    HEAD_LOCK = head!(" FOR UPDATE"), sqlite: head!("");
}
