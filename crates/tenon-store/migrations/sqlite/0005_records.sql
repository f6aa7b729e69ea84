-- The last instant handed out for changes of a model; locked by each writing transaction until it commits.
CREATE TABLE model_head (
    connection_pk BIGINT NOT NULL,
    model TEXT NOT NULL,
    last_us BIGINT NOT NULL,
    PRIMARY KEY (connection_pk, model)
);

CREATE TABLE record (
    connection_pk BIGINT NOT NULL,
    -- Full model name: `Model`, or `Model::variant`.
    model TEXT NOT NULL,
    external_id TEXT NOT NULL,
    -- UUIDv5 of records.md section 1; breaks ties of updated_at_us.
    id TEXT NOT NULL,
    -- Keyed BLAKE3 of the JSON text, first 16 bytes.
    hash BLOB NOT NULL,
    -- Sealed JSON text without `id` and `_nango_metadata`; null when pruned.
    payload BLOB,
    size_bytes BIGINT NOT NULL,
    created_at_us BIGINT NOT NULL,
    updated_at_us BIGINT NOT NULL,
    deleted_at_us BIGINT,
    pruned_at_us BIGINT,
    sync_pk BIGINT,
    PRIMARY KEY (connection_pk, model, external_id)
);
CREATE INDEX record_changes ON record (connection_pk, model, updated_at_us, id);

-- Which records a run touched, unchanged ones too; for deletion detection.
CREATE TABLE record_seen (
    connection_pk BIGINT NOT NULL,
    model TEXT NOT NULL,
    external_id TEXT NOT NULL,
    -- Latest run that saw it.
    generation BIGINT NOT NULL,
    PRIMARY KEY (connection_pk, model, external_id)
);

CREATE TABLE model_count (
    connection_pk BIGINT NOT NULL,
    model TEXT NOT NULL,
    environment_pk BIGINT NOT NULL,
    records BIGINT NOT NULL,
    size_bytes BIGINT NOT NULL,
    updated_at_us BIGINT NOT NULL,
    PRIMARY KEY (connection_pk, model)
);

-- Saved but not yet announced; taken and zeroed by the transaction that enqueues the delivery.
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
