-- What proves that the instance key fits: written in the transaction that creates the key.
CREATE TABLE instance (
    name TEXT PRIMARY KEY,
    value BYTEA NOT NULL
);

CREATE TABLE environment (
    pk BIGINT PRIMARY KEY,
    uuid TEXT NOT NULL UNIQUE,
    name TEXT NOT NULL UNIQUE,
    public_key TEXT NOT NULL UNIQUE,
    -- Sealed with the environment's data key.
    webhook_signing_key BYTEA NOT NULL,
    hmac_key BYTEA,
    hmac_enabled BOOLEAN NOT NULL,
    -- 'open', 'hmac' or 'off': who may start a flow with the public key.
    public_key_auth TEXT NOT NULL,
    callback_url TEXT,
    primary_url TEXT,
    secondary_url TEXT,
    on_sync_completion_always BOOLEAN NOT NULL,
    on_auth_creation BOOLEAN NOT NULL,
    on_auth_refresh_error BOOLEAN NOT NULL,
    on_sync_error BOOLEAN NOT NULL,
    on_async_action_completion BOOLEAN NOT NULL,
    created_at_us BIGINT NOT NULL,
    updated_at_us BIGINT NOT NULL
);

-- Data keys, wrapped by the instance key. The newest one seals, all open.
CREATE TABLE data_key (
    pk BIGINT PRIMARY KEY,
    -- Deferred: an environment has sealed columns, so its key is made first.
    environment_pk BIGINT NOT NULL REFERENCES environment (pk) DEFERRABLE INITIALLY DEFERRED,
    wrapped BYTEA NOT NULL,
    created_at_us BIGINT NOT NULL
);
CREATE INDEX data_key_environment ON data_key (environment_pk);

CREATE TABLE api_key (
    pk BIGINT PRIMARY KEY,
    environment_pk BIGINT NOT NULL REFERENCES environment (pk),
    name TEXT NOT NULL,
    -- Keyed hash under the index key: one cheap look-up per request.
    lookup BYTEA NOT NULL UNIQUE,
    sealed BYTEA NOT NULL,
    -- JSON list; 'environment:*' is everything.
    scopes TEXT NOT NULL,
    created_at_us BIGINT NOT NULL,
    last_used_at_us BIGINT
);
CREATE INDEX api_key_environment ON api_key (environment_pk);

-- Variables that functions read (GET /environment-variables).
CREATE TABLE environment_variable (
    pk BIGINT PRIMARY KEY,
    environment_pk BIGINT NOT NULL REFERENCES environment (pk),
    name TEXT NOT NULL,
    sealed_value BYTEA NOT NULL,
    UNIQUE (environment_pk, name)
);
