-- People who may see the pages.
CREATE TABLE person (
    pk BIGINT PRIMARY KEY,
    -- Lower-case.
    email TEXT NOT NULL UNIQUE,
    -- Argon2id, with its parameters and salt (PHC string).
    password_hash TEXT NOT NULL,
    created_at_us BIGINT NOT NULL
);

CREATE TABLE person_session (
    -- Keyed hash of the cookie under the index key.
    lookup BYTEA PRIMARY KEY,
    person_pk BIGINT NOT NULL REFERENCES person (pk),
    created_at_us BIGINT NOT NULL,
    expires_at_us BIGINT NOT NULL
);
CREATE INDEX person_session_expiry ON person_session (expires_at_us);

-- The link of the first start, which makes the first person. At most one row.
CREATE TABLE setup_link (
    pk BIGINT PRIMARY KEY,
    lookup BYTEA NOT NULL,
    created_at_us BIGINT NOT NULL
);
