-- What the API does in the background and tells by id: tries of functions, deployments from source.
CREATE TABLE job (
    id TEXT PRIMARY KEY,
    environment_pk BIGINT NOT NULL REFERENCES environment (pk),
    -- 'dryrun' or 'deployment'.
    kind TEXT NOT NULL,
    -- 'waiting', 'running', 'success' or 'failed'.
    state TEXT NOT NULL,
    -- Sealed JSON: what was asked for, what came of it.
    request BYTEA NOT NULL,
    result BYTEA,
    created_at_us BIGINT NOT NULL,
    finished_at_us BIGINT
);
CREATE INDEX job_open ON job (environment_pk, created_at_us) WHERE finished_at_us IS NULL;
CREATE INDEX job_age ON job (created_at_us);
