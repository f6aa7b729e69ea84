-- Who read which secret through which door: one row per minute, reader, door and thing read. Names are kept as they were,
-- since keys, functions and connections go away.
CREATE TABLE secret_read (
    pk INTEGER PRIMARY KEY,
    environment_pk BIGINT NOT NULL,
    -- Minutes since 1970.
    minute BIGINT NOT NULL,
    -- 'api', 'function' or 'export'.
    door TEXT NOT NULL,
    -- 'key', 'function' or 'operator', with its key.
    reader TEXT NOT NULL,
    reader_pk BIGINT NOT NULL,
    reader_name TEXT,
    -- 'connection', 'integration', 'variables', 'signing_key', 'hmac_key' or 'environment', with its key.
    subject TEXT NOT NULL,
    subject_pk BIGINT NOT NULL,
    subject_name TEXT,
    reads BIGINT NOT NULL,
    first_us BIGINT NOT NULL,
    last_us BIGINT NOT NULL,
    UNIQUE (environment_pk, minute, door, reader, reader_pk, subject, subject_pk)
);
CREATE INDEX secret_read_age ON secret_read (last_us);
CREATE INDEX secret_read_list ON secret_read (environment_pk, pk);
CREATE INDEX secret_read_subject ON secret_read (environment_pk, subject_name, pk);
