//! Texts that differ: Postgres must not wait for a row that somebody else has locked (two transactions could then wait for
//! each other), and holds the instance key against a rotation; SQLite has one writer and no row locks.

macro_rules! put {
    (postgres, $table:literal, $column:literal, $key:literal) => {
        concat!(
            "UPDATE ",
            $table,
            " SET ",
            $column,
            " = $3 WHERE ",
            $key,
            " = $1 AND ",
            $column,
            " = $2 AND ",
            $key,
            " IN (SELECT ",
            $key,
            " FROM ",
            $table,
            " WHERE ",
            $key,
            " = $1 FOR UPDATE SKIP LOCKED)"
        )
    };
    ($table:literal, $column:literal, $key:literal) => {
        concat!(
            "UPDATE ",
            $table,
            " SET ",
            $column,
            " = $3 WHERE ",
            $key,
            " = $1 AND ",
            $column,
            " = $2"
        )
    };
}

crate::statements! {
    CURRENT_CHECK = "SELECT value FROM instance WHERE name = 'check' FOR SHARE",
        sqlite: "SELECT value FROM instance WHERE name = 'check'";
    REPLACE_CHECK = "SELECT value FROM instance WHERE name = 'check' FOR UPDATE",
        sqlite: "SELECT value FROM instance WHERE name = 'check'";
    PUT_DATA_KEY = put!(postgres, "data_key", "wrapped", "pk"), sqlite: put!("data_key", "wrapped", "pk");
    PUT_SIGNING_KEY = put!(postgres, "environment", "webhook_signing_key", "pk"),
        sqlite: put!("environment", "webhook_signing_key", "pk");
    PUT_HMAC_KEY = put!(postgres, "environment", "hmac_key", "pk"), sqlite: put!("environment", "hmac_key", "pk");
    PUT_API_KEY = put!(postgres, "api_key", "sealed", "pk"), sqlite: put!("api_key", "sealed", "pk");
    PUT_VARIABLE = put!(postgres, "environment_variable", "sealed_value", "pk"),
        sqlite: put!("environment_variable", "sealed_value", "pk");
    PUT_INTEGRATION = put!(postgres, "integration", "secrets", "pk"), sqlite: put!("integration", "secrets", "pk");
    PUT_CONNECTION = put!(postgres, "connection", "credentials", "pk"),
        sqlite: put!("connection", "credentials", "pk");
    PUT_PENDING_AUTH = put!(postgres, "pending_auth", "payload", "lookup"),
        sqlite: put!("pending_auth", "payload", "lookup");
    PUT_DEVICE_FLOW = put!(postgres, "device_flow", "payload", "id"),
        sqlite: put!("device_flow", "payload", "id");
    PUT_TASK = put!(postgres, "task", "payload", "pk"), sqlite: put!("task", "payload", "pk");
    PUT_TASK_OUTPUT = put!(postgres, "task", "output", "pk"), sqlite: put!("task", "output", "pk");
    PUT_EVENT = put!(postgres, "event", "body", "pk"), sqlite: put!("event", "body", "pk");
    PUT_EVENT_HEADERS = put!(postgres, "event", "headers", "pk"), sqlite: put!("event", "headers", "pk");
    PUT_INBOUND = put!(postgres, "inbound", "request", "pk"), sqlite: put!("inbound", "request", "pk");
    PUT_JOB = put!(postgres, "job", "request", "id"), sqlite: put!("job", "request", "id");
    PUT_JOB_RESULT = put!(postgres, "job", "result", "id"), sqlite: put!("job", "result", "id");
    PUT_QUARANTINE = put!(postgres, "quarantine", "payload", "pk"), sqlite: put!("quarantine", "payload", "pk");
    PUT_REVOCATION = put!(postgres, "revocation", "request", "pk"), sqlite: put!("revocation", "request", "pk");
    PUT_RECORD = "
        UPDATE record SET payload = $5
        WHERE connection_pk = $1 AND model = $2 AND external_id = $3 AND payload = $4
            AND external_id IN (SELECT external_id FROM record
                WHERE connection_pk = $1 AND model = $2 AND external_id = $3 FOR UPDATE SKIP LOCKED)",
        sqlite: "
        UPDATE record SET payload = $5
        WHERE connection_pk = $1 AND model = $2 AND external_id = $3 AND payload = $4";
}
