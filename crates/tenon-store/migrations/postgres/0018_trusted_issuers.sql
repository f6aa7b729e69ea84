-- Identity providers of the app whose tokens are exchanged for those of providers (RFC 8693).
CREATE TABLE trusted_issuer (
    pk BIGINT PRIMARY KEY,
    environment_pk BIGINT NOT NULL REFERENCES environment (pk),
    -- As the `iss` claim has it.
    issuer TEXT NOT NULL,
    -- What the `aud` claim must hold.
    audience TEXT NOT NULL,
    jwks_url TEXT NOT NULL,
    -- The claim that holds the end user's id.
    user_claim TEXT NOT NULL,
    -- Whether a token of this issuer is enough, without a key of the environment.
    public_clients BOOLEAN NOT NULL,
    created_at_us BIGINT NOT NULL,
    UNIQUE (environment_pk, issuer, audience)
);
