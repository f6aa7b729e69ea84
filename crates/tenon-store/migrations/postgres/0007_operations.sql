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
