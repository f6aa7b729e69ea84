//! Texts that differ: Postgres skips rows that another node has locked, `SQLite` has one writer and no row locks.

use crate::statements;

macro_rules! claim_set {
    () => {
        "SET state = 'STARTED', started_at_us = $3, lease_owner = $4, lease_expires_at_us = $5, fence = task.fence + 1"
    };
}

macro_rules! claim_pick {
    () => {
        "SELECT pk FROM task
            WHERE state = 'CREATED' AND kind = $1 AND group_key = $2 AND starts_after_us <= $3
            ORDER BY starts_after_us, pk LIMIT $6"
    };
}

macro_rules! claim_returning {
    () => {
        "RETURNING task.pk, task.id, task.environment_pk, task.connection_pk, task.schedule_pk, task.kind, task.payload,
            task.retry_max, task.retry_count, task.fence, task.attempt, task.operation_id, task.created_at_us"
    };
}

macro_rules! due {
    ($lock:literal) => {
        concat!(
            "SELECT sc.pk, sc.environment_pk, s.connection_pk, s.name, s.variant, c.connection_id, i.unique_key
            FROM schedule sc
            JOIN sync s ON s.pk = sc.sync_pk
            JOIN connection c ON c.pk = s.connection_pk
            JOIN integration i ON i.pk = c.integration_pk
            WHERE sc.state = 'STARTED' AND sc.active_task_pk IS NULL AND sc.next_at_us <= $1
            ORDER BY sc.next_at_us LIMIT $2",
            $lock
        )
    };
}

macro_rules! lost {
    ($which:literal, $lock:literal) => {
        concat!(
            "SELECT pk, id, environment_pk, connection_pk, schedule_pk, kind, state, payload, retry_max, retry_count,
                fence, attempt, operation_id, created_at_us
            FROM task WHERE ",
            $which,
            $lock
        )
    };
}

statements! {
    /// Materialized: a plain subquery may be run again for each row by Postgres, and then takes more than the limit.
    TASKS_CLAIM = concat!(
        "WITH picked AS MATERIALIZED (", claim_pick!(), " FOR UPDATE SKIP LOCKED)
        UPDATE task ", claim_set!(), " FROM picked WHERE task.pk = picked.pk ", claim_returning!()
    ), sqlite: concat!(
        "UPDATE task ", claim_set!(), " WHERE pk IN (", claim_pick!(), ") ", claim_returning!()
    );

    SCHEDULES_DUE = due!(" FOR UPDATE OF sc SKIP LOCKED"), sqlite: due!("");

    /// Tasks whose lease is over: their node is gone or was paused.
    TASKS_LOST = lost!(
        "state = 'STARTED' AND lease_expires_at_us <= $1 ORDER BY lease_expires_at_us LIMIT $2",
        " FOR UPDATE SKIP LOCKED"
    ), sqlite: lost!(
        "state = 'STARTED' AND lease_expires_at_us <= $1 ORDER BY lease_expires_at_us LIMIT $2",
        ""
    );

    /// Tasks that a node of this name left behind.
    TASKS_OWNED = lost!(
        "state = 'STARTED' AND lease_owner = $1 LIMIT $2",
        " FOR UPDATE SKIP LOCKED"
    ), sqlite: lost!("state = 'STARTED' AND lease_owner = $1 LIMIT $2", "");

    /// Tasks that nobody began in time.
    TASKS_EXPIRED = lost!(
        "state = 'CREATED' AND start_by_us <= $1 ORDER BY start_by_us LIMIT $2",
        " FOR UPDATE SKIP LOCKED"
    ), sqlite: lost!(
        "state = 'CREATED' AND start_by_us <= $1 ORDER BY start_by_us LIMIT $2",
        ""
    );

    /// Holds a task for the rest of the transaction, whatever its state.
    TASK_LOCK = "SELECT pk FROM task WHERE pk = $1 FOR UPDATE", sqlite: "SELECT pk FROM task WHERE pk = $1";

    /// Holds a task for the rest of the transaction, if its fence is still the caller's.
    TASK_HOLD = "SELECT pk FROM task WHERE pk = $1 AND fence = $2 AND state = 'STARTED' FOR UPDATE", sqlite: "SELECT pk FROM task WHERE pk = $1 AND fence = $2 AND state = 'STARTED'";
}
