CREATE TABLE bundle (
    -- BLAKE3 of the JavaScript, hex.
    hash TEXT PRIMARY KEY,
    javascript TEXT NOT NULL,
    created_at_us BIGINT NOT NULL
);

CREATE TABLE deployment (
    pk BIGINT PRIMARY KEY,
    environment_pk BIGINT NOT NULL REFERENCES environment (pk),
    mode TEXT NOT NULL,
    sdk_version TEXT,
    source TEXT NOT NULL,
    -- Names of what changed, JSON.
    summary TEXT NOT NULL,
    created_at_us BIGINT NOT NULL
);

-- One row per version; one active row per (integration, kind, name).
CREATE TABLE function (
    pk BIGINT PRIMARY KEY,
    environment_pk BIGINT NOT NULL REFERENCES environment (pk),
    integration_pk BIGINT NOT NULL REFERENCES integration (pk),
    deployment_pk BIGINT REFERENCES deployment (pk),
    -- 'sync', 'action' or 'on-event'.
    kind TEXT NOT NULL,
    name TEXT NOT NULL,
    version TEXT NOT NULL,
    bundle_hash TEXT NOT NULL REFERENCES bundle (hash),
    typescript TEXT NOT NULL,
    sdk_version TEXT,
    -- JSON lists and objects as deployed.
    models TEXT NOT NULL,
    input TEXT,
    models_json_schema TEXT,
    endpoints TEXT NOT NULL,
    features TEXT NOT NULL,
    metadata TEXT NOT NULL,
    webhook_subscriptions TEXT NOT NULL,
    -- Frequency text of a sync; event of an on-event function.
    runs TEXT,
    event TEXT,
    auto_start BOOLEAN NOT NULL,
    track_deletes BOOLEAN NOT NULL,
    sync_type TEXT,
    source TEXT NOT NULL,
    enabled BOOLEAN NOT NULL,
    active BOOLEAN NOT NULL,
    created_at_us BIGINT NOT NULL,
    deleted_at_us BIGINT
);
CREATE UNIQUE INDEX function_active ON function (integration_pk, kind, name) WHERE active;
CREATE INDEX function_environment ON function (environment_pk);

-- Connection x sync name x variant.
CREATE TABLE sync (
    pk BIGINT PRIMARY KEY,
    id TEXT NOT NULL UNIQUE,
    environment_pk BIGINT NOT NULL REFERENCES environment (pk),
    connection_pk BIGINT NOT NULL REFERENCES connection (pk),
    name TEXT NOT NULL,
    variant TEXT NOT NULL,
    frequency_override TEXT,
    -- Start of the last successful run.
    last_sync_at_us BIGINT,
    created_at_us BIGINT NOT NULL,
    deleted_at_us BIGINT
);
CREATE UNIQUE INDEX sync_key ON sync (connection_pk, name, variant) WHERE deleted_at_us IS NULL;

CREATE TABLE schedule (
    pk BIGINT PRIMARY KEY,
    environment_pk BIGINT NOT NULL REFERENCES environment (pk),
    sync_pk BIGINT NOT NULL UNIQUE REFERENCES sync (pk),
    -- 'STARTED', 'PAUSED' or 'DELETED'.
    state TEXT NOT NULL,
    starts_at_us BIGINT NOT NULL,
    frequency_us BIGINT NOT NULL,
    next_at_us BIGINT NOT NULL,
    -- The task in CREATED or STARTED, if any.
    active_task_pk BIGINT
);
CREATE INDEX schedule_due ON schedule (next_at_us) WHERE state = 'STARTED' AND active_task_pk IS NULL;

CREATE TABLE task (
    pk BIGINT PRIMARY KEY,
    id TEXT NOT NULL UNIQUE,
    environment_pk BIGINT NOT NULL REFERENCES environment (pk),
    connection_pk BIGINT,
    schedule_pk BIGINT REFERENCES schedule (pk),
    -- 'sync', 'action', 'webhook', 'on-event' or 'abort'.
    kind TEXT NOT NULL,
    group_key TEXT NOT NULL,
    -- Sealed JSON: function, input, options.
    payload BYTEA NOT NULL,
    state TEXT NOT NULL,
    retry_max BIGINT NOT NULL,
    retry_count BIGINT NOT NULL,
    retry_key TEXT NOT NULL,
    idempotency_key TEXT,
    starts_after_us BIGINT NOT NULL,
    -- Not begun by then, it expires.
    start_by_us BIGINT NOT NULL,
    created_at_us BIGINT NOT NULL,
    started_at_us BIGINT,
    finished_at_us BIGINT,
    -- Who runs it, until when, under which fence.
    lease_owner TEXT,
    lease_expires_at_us BIGINT,
    fence BIGINT NOT NULL,
    attempt BIGINT NOT NULL,
    -- Sealed JSON: output or error.
    output BYTEA,
    operation_id TEXT NOT NULL
);
-- Claimed group by group, so that one busy environment does not hold up the others.
CREATE INDEX task_waiting ON task (kind, group_key, starts_after_us, pk) WHERE state = 'CREATED';
CREATE INDEX task_start_by ON task (start_by_us) WHERE state = 'CREATED';
CREATE INDEX task_running ON task (lease_expires_at_us) WHERE state = 'STARTED';
CREATE INDEX task_owner ON task (lease_owner) WHERE state = 'STARTED';
CREATE INDEX task_group ON task (group_key) WHERE state = 'STARTED';
CREATE INDEX task_connection ON task (connection_pk) WHERE state IN ('CREATED', 'STARTED');
CREATE INDEX task_schedule ON task (schedule_pk);
CREATE INDEX task_retry_key ON task (retry_key);
CREATE INDEX task_finished ON task (finished_at_us) WHERE finished_at_us IS NOT NULL;
CREATE UNIQUE INDEX task_idempotency ON task (connection_pk, idempotency_key) WHERE idempotency_key IS NOT NULL;

-- One execution of a function; `pk` is the sync job id of the wire and the generation of seen records.
CREATE TABLE run (
    pk BIGINT PRIMARY KEY,
    environment_pk BIGINT NOT NULL REFERENCES environment (pk),
    connection_pk BIGINT NOT NULL,
    task_pk BIGINT NOT NULL,
    sync_pk BIGINT,
    function_pk BIGINT NOT NULL REFERENCES function (pk),
    -- 'INITIAL', 'INCREMENTAL' or 'WEBHOOK' for syncs.
    sync_type TEXT,
    -- 'RUNNING', 'SUCCESS' or 'STOPPED'.
    status TEXT NOT NULL,
    -- {Model: {added, updated, deleted}} announced by this run.
    result TEXT NOT NULL,
    error TEXT,
    operation_id TEXT NOT NULL,
    started_at_us BIGINT NOT NULL,
    finished_at_us BIGINT
);
CREATE INDEX run_sync ON run (sync_pk, pk);
CREATE INDEX run_task ON run (task_pk);
CREATE INDEX run_connection ON run (connection_pk, pk);
CREATE INDEX run_finished ON run (finished_at_us) WHERE finished_at_us IS NOT NULL;

CREATE TABLE checkpoint (
    connection_pk BIGINT NOT NULL,
    key TEXT NOT NULL,
    -- JSON object of text, numbers and booleans; null when cleared.
    value TEXT,
    version BIGINT NOT NULL,
    updated_at_us BIGINT NOT NULL,
    PRIMARY KEY (connection_pk, key)
);

-- Locks that functions take.
CREATE TABLE function_lock (
    environment_pk BIGINT NOT NULL,
    key TEXT NOT NULL,
    owner TEXT NOT NULL,
    expires_at_us BIGINT NOT NULL,
    PRIMARY KEY (environment_pk, key)
);

-- One deploy per environment at a time.
CREATE TABLE deploy_lock (
    environment_pk BIGINT PRIMARY KEY REFERENCES environment (pk),
    owner TEXT NOT NULL,
    expires_at_us BIGINT NOT NULL
);
