-- One row per connection and model: the last instant handed out for changes, locked by each writing transaction until
-- it commits, and what the model holds.
CREATE TABLE model_head (
    connection_pk BIGINT NOT NULL,
    -- Full model name: `Model`, or `Model::variant`.
    model TEXT NOT NULL,
    environment_pk BIGINT NOT NULL,
    last_us BIGINT NOT NULL,
    -- Batches written so far; before the first one nothing needs to be looked up.
    batches BIGINT NOT NULL,
    -- Live records, and the bytes of their payloads.
    records BIGINT NOT NULL,
    size_bytes BIGINT NOT NULL,
    -- The last writer.
    sync_pk BIGINT NOT NULL,
    -- Retention: payloads of changes up to there have been dropped; when to look again; whether everything is to go,
    -- because the connection has gone.
    pruned_us BIGINT NOT NULL,
    check_us BIGINT NOT NULL,
    doomed BOOLEAN NOT NULL,
    PRIMARY KEY (connection_pk, model)
);
CREATE INDEX model_head_check ON model_head (check_us);

CREATE TABLE record (
    connection_pk BIGINT NOT NULL,
    -- Full model name.
    model TEXT NOT NULL,
    external_id TEXT NOT NULL,
    -- UUIDv5 of records.md section 1, 16 bytes; breaks ties of updated_at_us.
    id BYTEA NOT NULL,
    -- Keyed BLAKE3 of the JSON text, first 16 bytes.
    hash BYTEA NOT NULL,
    -- Sealed JSON text without `id` and `_nango_metadata`; null when pruned.
    payload BYTEA,
    size_bytes BIGINT NOT NULL,
    created_at_us BIGINT NOT NULL,
    updated_at_us BIGINT NOT NULL,
    deleted_at_us BIGINT,
    pruned_at_us BIGINT,
    sync_pk BIGINT,
    PRIMARY KEY (connection_pk, model, external_id)
);
-- The condition always holds. Only queries that repeat it may use this index: without statistics, Postgres would else
-- take it for look-ups by external_id, which the primary key answers.
CREATE INDEX record_changes ON record (connection_pk, model, updated_at_us, id) WHERE updated_at_us >= 0;

-- Which records a run touched, unchanged ones too, one row per batch; for deletion detection.
CREATE TABLE record_seen (
    connection_pk BIGINT NOT NULL,
    -- Full model name.
    model TEXT NOT NULL,
    -- The run.
    generation BIGINT NOT NULL,
    -- Instant of the batch, which is unique within a model.
    batch_us BIGINT NOT NULL,
    -- Ids of the records, 16 bytes each.
    ids BYTEA NOT NULL,
    PRIMARY KEY (connection_pk, model, generation, batch_us)
);
CREATE INDEX record_seen_age ON record_seen (batch_us);

-- Saved but not yet announced; taken by the transaction that enqueues the delivery.
CREATE TABLE unannounced (
    sync_pk BIGINT NOT NULL,
    -- Base model name.
    model TEXT NOT NULL,
    added BIGINT NOT NULL,
    updated BIGINT NOT NULL,
    deleted BIGINT NOT NULL,
    since_us BIGINT NOT NULL,
    PRIMARY KEY (sync_pk, model)
);
