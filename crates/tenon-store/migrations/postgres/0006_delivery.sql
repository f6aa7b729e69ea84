-- A URL we send to, with the state of its circuit.
CREATE TABLE endpoint (
    pk BIGINT PRIMARY KEY,
    environment_pk BIGINT NOT NULL REFERENCES environment (pk),
    url TEXT NOT NULL,
    -- Failures in a row, over all deliveries.
    failures BIGINT NOT NULL,
    -- Null while the circuit is closed; else the time of the next probe.
    open_until_us BIGINT,
    -- Whose turn it was when a probe last went round the connections.
    probe_connection_pk BIGINT,
    UNIQUE (environment_pk, url)
);

-- Something that happened, as the app is told: the exact bytes, once, for every endpoint and for the cursor feed.
CREATE TABLE event (
    pk BIGINT PRIMARY KEY,
    -- `webhook-id` header; the same for every endpoint and every attempt.
    id TEXT NOT NULL UNIQUE,
    environment_pk BIGINT NOT NULL REFERENCES environment (pk),
    connection_pk BIGINT,
    -- 'auth', 'sync', 'async_action' or 'forward'.
    kind TEXT NOT NULL,
    -- Sealed: the exact bytes to send, and extra headers of a forward as JSON.
    body BYTEA NOT NULL,
    headers BYTEA,
    -- Rows are written without a position; committed rows are numbered in order, so that the feed has no gaps.
    position BIGINT,
    created_at_us BIGINT NOT NULL
);
CREATE UNIQUE INDEX event_position ON event (environment_pk, position);
CREATE INDEX event_unnumbered ON event (environment_pk, pk) WHERE position IS NULL;
CREATE INDEX event_age ON event (created_at_us);

-- The last position given out; locked by whoever numbers.
CREATE TABLE event_head (
    environment_pk BIGINT PRIMARY KEY REFERENCES environment (pk),
    last_position BIGINT NOT NULL
);

-- A webhook is a row before it is a request.
CREATE TABLE delivery (
    pk BIGINT PRIMARY KEY,
    id TEXT NOT NULL UNIQUE,
    event_pk BIGINT NOT NULL REFERENCES event (pk),
    environment_pk BIGINT NOT NULL REFERENCES environment (pk),
    endpoint_pk BIGINT NOT NULL REFERENCES endpoint (pk),
    connection_pk BIGINT,
    -- 'waiting', 'delivered' or 'failed' (dead letter).
    state TEXT NOT NULL,
    attempts BIGINT NOT NULL,
    -- When it is due; while somebody sends it, the end of the lease.
    next_at_us BIGINT NOT NULL,
    lease_owner TEXT,
    lease_expires_at_us BIGINT,
    fence BIGINT NOT NULL,
    operation_id TEXT,
    last_status BIGINT,
    last_error TEXT,
    created_at_us BIGINT NOT NULL,
    finished_at_us BIGINT
);
-- The next look at an endpoint; what holds a connection back; the queue itself.
CREATE INDEX delivery_due ON delivery (endpoint_pk, next_at_us) WHERE state = 'waiting';
CREATE INDEX delivery_order ON delivery (endpoint_pk, connection_pk, next_at_us) WHERE state = 'waiting';
CREATE INDEX delivery_queue ON delivery (endpoint_pk, pk) WHERE state = 'waiting';
CREATE INDEX delivery_finished ON delivery (finished_at_us) WHERE finished_at_us IS NOT NULL;
CREATE INDEX delivery_environment ON delivery (environment_pk, pk);
CREATE INDEX delivery_event ON delivery (event_pk);

CREATE TABLE attempt (
    pk BIGINT PRIMARY KEY,
    delivery_pk BIGINT NOT NULL REFERENCES delivery (pk),
    at_us BIGINT NOT NULL,
    status BIGINT,
    error TEXT,
    duration_us BIGINT NOT NULL
);
CREATE INDEX attempt_delivery ON attempt (delivery_pk, pk);
