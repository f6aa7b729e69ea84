-- A webhook that a provider sent us: a row before it is answered, gone when everything that follows from it is stored.
CREATE TABLE inbound (
    pk BIGINT PRIMARY KEY,
    environment_pk BIGINT NOT NULL REFERENCES environment (pk),
    integration_pk BIGINT NOT NULL REFERENCES integration (pk),
    -- Sealed JSON: headers, query, body.
    request BYTEA NOT NULL,
    -- How far it got: the step, and the last connection of that step.
    step BIGINT NOT NULL,
    after_connection_pk BIGINT NOT NULL,
    -- Tries that failed, and when the next one is due.
    failures BIGINT NOT NULL,
    next_at_us BIGINT NOT NULL,
    operation_id TEXT NOT NULL,
    created_at_us BIGINT NOT NULL
);
CREATE INDEX inbound_due ON inbound (next_at_us, pk);
CREATE INDEX inbound_environment ON inbound (environment_pk);
