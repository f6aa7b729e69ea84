-- Records that a run wanted to save and that do not fit the schema of their model, kept aside until somebody has them
-- tried again. The newest of each id.
CREATE TABLE quarantine (
    pk BIGINT PRIMARY KEY,
    environment_pk BIGINT NOT NULL,
    connection_pk BIGINT NOT NULL,
    sync_pk BIGINT NOT NULL,
    -- Full model name.
    model TEXT NOT NULL,
    external_id TEXT NOT NULL,
    -- JSON list of {path, reason}; holds no values of the record.
    reasons TEXT NOT NULL,
    -- Sealed JSON text as in `record`; null for what could not be written as JSON or was too large.
    payload BYTEA,
    size_bytes BIGINT NOT NULL,
    operation_id TEXT NOT NULL,
    -- Whether the next run of the sync is to try it again.
    retry BOOLEAN NOT NULL,
    created_at_us BIGINT NOT NULL,
    UNIQUE (connection_pk, model, external_id)
);
CREATE INDEX quarantine_environment ON quarantine (environment_pk, pk);
CREATE INDEX quarantine_sync ON quarantine (sync_pk);
CREATE INDEX quarantine_age ON quarantine (created_at_us);
