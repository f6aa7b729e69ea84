-- Device authorization (RFC 8628): a person agrees on another machine, we ask the provider until then.
CREATE TABLE device_flow (
    id TEXT PRIMARY KEY,
    environment_pk BIGINT NOT NULL REFERENCES environment (pk),
    integration_pk BIGINT NOT NULL REFERENCES integration (pk),
    -- Only this session, or a key of the environment, may ask how it goes.
    session_pk BIGINT,
    connection_id TEXT NOT NULL,
    -- Sealed JSON: device code, connection config, operation.
    payload BYTEA NOT NULL,
    -- 'pending', 'connected', 'denied', 'expired' or 'failed'.
    state TEXT NOT NULL,
    error TEXT,
    interval_s BIGINT NOT NULL,
    -- Whoever claims the next question puts this off, and raises the fence. Null once the flow has ended.
    next_poll_at_us BIGINT,
    fence BIGINT NOT NULL,
    created_at_us BIGINT NOT NULL,
    expires_at_us BIGINT NOT NULL
);
CREATE INDEX device_flow_due ON device_flow (next_poll_at_us);
CREATE INDEX device_flow_expiry ON device_flow (expires_at_us);
