CREATE TABLE integration (
    pk INTEGER PRIMARY KEY,
    environment_pk BIGINT NOT NULL REFERENCES environment (pk),
    unique_key TEXT NOT NULL,
    provider TEXT NOT NULL,
    display_name TEXT,
    forward_webhooks BOOLEAN NOT NULL,
    client_id TEXT,
    -- Sealed: client secret, app private key, webhook secret, custom values, as one JSON object.
    secrets BLOB,
    -- Comma list as the wire has it.
    scopes TEXT,
    app_link TEXT,
    -- JSON object: values of the provider's integration_config; secret ones are in `secrets`.
    integration_config TEXT NOT NULL,
    created_at_us BIGINT NOT NULL,
    updated_at_us BIGINT NOT NULL,
    deleted_at_us BIGINT
);
CREATE UNIQUE INDEX integration_key ON integration (environment_pk, unique_key) WHERE deleted_at_us IS NULL;

CREATE TABLE connection (
    pk INTEGER PRIMARY KEY,
    environment_pk BIGINT NOT NULL REFERENCES environment (pk),
    integration_pk BIGINT NOT NULL REFERENCES integration (pk),
    connection_id TEXT NOT NULL,
    provider TEXT NOT NULL,
    auth_mode TEXT NOT NULL,
    -- Sealed JSON object, the shape clients read.
    credentials BLOB NOT NULL,
    credentials_expires_at_us BIGINT,
    -- JSON objects in clear, as in the reference.
    connection_config TEXT NOT NULL,
    metadata TEXT,
    tags TEXT NOT NULL,
    -- {id, email, display_name, tags, organization} or null.
    end_user TEXT,
    webhook_url_override TEXT,
    last_fetched_at_us BIGINT,
    last_refresh_success_us BIGINT,
    last_refresh_failure_us BIGINT,
    -- Failing calendar days; exhausted at 4 (auth-and-proxy.md, 7).
    refresh_attempts BIGINT NOT NULL,
    refresh_exhausted BOOLEAN NOT NULL,
    -- Why the credentials do not work, in one word, and the operation that tells more.
    auth_error TEXT,
    auth_error_log_id TEXT,
    sync_error_log_id TEXT,
    -- Rises with every new set of credentials, so that a late refresh cannot overwrite a newer one.
    credentials_version BIGINT NOT NULL,
    created_at_us BIGINT NOT NULL,
    updated_at_us BIGINT NOT NULL,
    deleted_at_us BIGINT
);
CREATE UNIQUE INDEX connection_key ON connection (integration_pk, connection_id) WHERE deleted_at_us IS NULL;
-- What is left of these is removed in the background.
CREATE INDEX connection_deleted ON connection (pk) WHERE deleted_at_us IS NOT NULL;
CREATE INDEX connection_environment ON connection (environment_pk, created_at_us, pk);
CREATE INDEX connection_environment_id ON connection (environment_pk, connection_id);

-- Answers webhook routing, tag filters and search without JSON operators; written with the connection.
CREATE TABLE connection_lookup (
    environment_pk BIGINT NOT NULL,
    integration_pk BIGINT NOT NULL,
    -- 'tag', 'config', 'metadata' or 'end_user'.
    kind TEXT NOT NULL,
    path TEXT NOT NULL,
    value TEXT NOT NULL,
    connection_pk BIGINT NOT NULL REFERENCES connection (pk),
    PRIMARY KEY (environment_pk, kind, path, value, connection_pk)
);
CREATE INDEX connection_lookup_connection ON connection_lookup (connection_pk);

CREATE TABLE connect_session (
    pk INTEGER PRIMARY KEY,
    environment_pk BIGINT NOT NULL REFERENCES environment (pk),
    -- Keyed hash of the token under the index key.
    lookup BLOB NOT NULL UNIQUE,
    -- JSON as given at creation.
    end_user TEXT,
    organization TEXT,
    tags TEXT,
    allowed_integrations TEXT,
    integrations_config_defaults TEXT,
    overrides TEXT,
    webhook_url_override TEXT,
    -- Set for a reconnect session.
    connection_pk BIGINT REFERENCES connection (pk),
    operation_id TEXT,
    created_at_us BIGINT NOT NULL,
    expires_at_us BIGINT NOT NULL,
    ended_at_us BIGINT
);
CREATE INDEX connect_session_expiry ON connect_session (expires_at_us);
