-- Tokens that a provider is told to forget: a row in the transaction that deletes their connection, a request later. What
-- is left is the proof: which token (a fingerprint), when, and what the provider answered.
CREATE TABLE revocation (
    pk INTEGER PRIMARY KEY,
    environment_pk BIGINT NOT NULL REFERENCES environment (pk),
    connection_pk BIGINT NOT NULL,
    integration_key TEXT NOT NULL,
    connection_id TEXT NOT NULL,
    provider TEXT NOT NULL,
    -- 'deleted' or 'kill_switch'.
    reason TEXT NOT NULL,
    -- 'access_token' or 'refresh_token'; empty where there is nothing that could be sent.
    token TEXT NOT NULL,
    -- Keyed hash of the token, hex.
    fingerprint TEXT NOT NULL,
    -- Sealed JSON: what the request is made of. Null as soon as it is over.
    request BLOB,
    -- 'waiting', 'revoked', 'gone' (it did not work any more), 'failed' or 'unsupported'.
    state TEXT NOT NULL,
    attempts BIGINT NOT NULL,
    -- When it is due; while somebody sends it, the end of the lease.
    next_at_us BIGINT NOT NULL,
    status BIGINT,
    error TEXT,
    created_at_us BIGINT NOT NULL,
    finished_at_us BIGINT
);
CREATE INDEX revocation_due ON revocation (next_at_us) WHERE state = 'waiting';
CREATE INDEX revocation_environment ON revocation (environment_pk, pk);
CREATE INDEX revocation_age ON revocation (finished_at_us) WHERE finished_at_us IS NOT NULL;
