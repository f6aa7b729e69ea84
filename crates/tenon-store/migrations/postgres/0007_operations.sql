-- A logged happening: a run, a refresh, a connect flow, a delivery.
CREATE TABLE operation (
    id TEXT PRIMARY KEY,
    environment_pk BIGINT NOT NULL REFERENCES environment (pk),
    -- 'sync', 'action', 'webhook', 'on-event', 'auth', 'proxy', 'delivery', 'deploy', 'admin'.
    kind TEXT NOT NULL,
    title TEXT NOT NULL,
    -- 'waiting', 'running', 'success', 'failed', 'timeout' or 'cancelled'.
    state TEXT NOT NULL,
    integration_key TEXT,
    connection_id TEXT,
    connection_pk BIGINT,
    function_name TEXT,
    error TEXT,
    parent_id TEXT,
    created_at_us BIGINT NOT NULL,
    ended_at_us BIGINT
);
CREATE INDEX operation_environment ON operation (environment_pk, created_at_us);
CREATE INDEX operation_connection ON operation (connection_pk, created_at_us);

-- Lines of operations. With SQLite they live in a file of their own (`messages.db`, same table): losing it, or a full
-- disk there, costs log lines only.
CREATE TABLE message (
    pk BIGINT NOT NULL PRIMARY KEY,
    environment_pk BIGINT NOT NULL,
    operation_id TEXT NOT NULL,
    -- 'debug', 'info', 'warn' or 'error'.
    level TEXT NOT NULL,
    text TEXT NOT NULL,
    -- JSON or null; secrets are masked before they come here.
    payload TEXT,
    at_us BIGINT NOT NULL
);
CREATE INDEX message_operation ON message (operation_id, pk);
