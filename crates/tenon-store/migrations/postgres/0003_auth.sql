-- Between redirect and callback; consumed once.
CREATE TABLE pending_auth (
    -- Keyed hash of the `state` parameter.
    lookup BYTEA PRIMARY KEY,
    environment_pk BIGINT NOT NULL REFERENCES environment (pk),
    integration_pk BIGINT NOT NULL REFERENCES integration (pk),
    -- Sealed JSON: code verifier, nonce, overrides, connection config, connection id, session, socket, callback URL.
    payload BYTEA NOT NULL,
    created_at_us BIGINT NOT NULL,
    expires_at_us BIGINT NOT NULL
);
CREATE INDEX pending_auth_expiry ON pending_auth (expires_at_us);

-- Results for sockets, kept for a minute so that a reconnected socket, or one on another node, still gets them.
CREATE TABLE auth_result (
    ws_client_id TEXT PRIMARY KEY,
    message TEXT NOT NULL,
    created_at_us BIGINT NOT NULL
);

-- One refresh per connection at a time over all nodes (DESIGN 6).
CREATE TABLE refresh_lease (
    connection_pk BIGINT PRIMARY KEY REFERENCES connection (pk),
    holder TEXT NOT NULL,
    fence BIGINT NOT NULL,
    expires_at_us BIGINT NOT NULL,
    -- Written before the request leaves: fence, keyed fingerprint of the refresh token, time. Null when the outcome is known.
    intent_fence BIGINT,
    intent_fingerprint BYTEA,
    intent_at_us BIGINT,
    -- The old token was tried once more after an intent without outcome.
    intent_retried BOOLEAN NOT NULL,
    -- The provider asked to be left alone until then (Retry-After).
    cool_until_us BIGINT
);
