-- A URL we send to, with the state of its circuit.
CREATE TABLE endpoint (
    pk BIGINT PRIMARY KEY,
    environment_pk BIGINT NOT NULL REFERENCES environment (pk),
    url TEXT NOT NULL,
    failures BIGINT NOT NULL,
    -- Open while in the future; a probe may go out at this time.
    open_until_us BIGINT,
    UNIQUE (environment_pk, url)
);

-- A webhook is a row before it is a request.
CREATE TABLE delivery (
    pk BIGINT PRIMARY KEY,
    -- `webhook-id` header; stays the same over all attempts.
    id TEXT NOT NULL UNIQUE,
    environment_pk BIGINT NOT NULL REFERENCES environment (pk),
    endpoint_pk BIGINT NOT NULL REFERENCES endpoint (pk),
    connection_pk BIGINT,
    -- 'auth', 'sync', 'async_action' or 'forward'.
    kind TEXT NOT NULL,
    -- Sealed: the exact bytes to send, and extra headers of a forward.
    body BYTEA NOT NULL,
    headers BYTEA,
    -- 'waiting', 'delivered', 'failed' (dead letter) or 'skipped'.
    state TEXT NOT NULL,
    attempts BIGINT NOT NULL,
    next_at_us BIGINT NOT NULL,
    lease_owner TEXT,
    lease_expires_at_us BIGINT,
    fence BIGINT NOT NULL,
    operation_id TEXT,
    created_at_us BIGINT NOT NULL,
    finished_at_us BIGINT
);
CREATE INDEX delivery_due ON delivery (endpoint_pk, next_at_us, pk) WHERE state = 'waiting';
CREATE INDEX delivery_next ON delivery (next_at_us) WHERE state = 'waiting';
CREATE INDEX delivery_environment ON delivery (environment_pk, pk);

CREATE TABLE attempt (
    pk BIGINT PRIMARY KEY,
    delivery_pk BIGINT NOT NULL REFERENCES delivery (pk),
    at_us BIGINT NOT NULL,
    status BIGINT,
    error TEXT,
    duration_us BIGINT NOT NULL
);
CREATE INDEX attempt_delivery ON attempt (delivery_pk, pk);

-- The cursor feed: rows are written without a position; one sequencer per environment numbers committed rows.
CREATE TABLE event (
    pk BIGINT PRIMARY KEY,
    id TEXT NOT NULL UNIQUE,
    environment_pk BIGINT NOT NULL REFERENCES environment (pk),
    connection_pk BIGINT,
    kind TEXT NOT NULL,
    body BYTEA NOT NULL,
    position BIGINT,
    created_at_us BIGINT NOT NULL
);
CREATE UNIQUE INDEX event_position ON event (environment_pk, position);
CREATE INDEX event_unnumbered ON event (environment_pk, pk) WHERE position IS NULL;
