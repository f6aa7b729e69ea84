-- Rotations of keys: one row each, with how far it got, so that any node can go on after a crash. At most one runs per
-- environment; 0 is the instance key.
CREATE TABLE key_rotation (
    pk BIGINT PRIMARY KEY,
    environment_pk BIGINT NOT NULL,
    -- The key that everything is to be under: key of the row in `data_key`, or the id of the instance key.
    to_key TEXT NOT NULL,
    -- 'running' or 'done'.
    state TEXT NOT NULL,
    -- The sealed column that is worked on, and the last row looked at there.
    place TEXT NOT NULL,
    after TEXT NOT NULL,
    -- Values moved to the new key, and values that no key opens.
    moved BIGINT NOT NULL,
    unreadable BIGINT NOT NULL,
    -- Passes over everything; a pass that finds nothing ends the rotation.
    passes BIGINT NOT NULL,
    found_in_pass BIGINT NOT NULL,
    pass_began_at_us BIGINT NOT NULL,
    -- The node that works on it, and until when.
    holder TEXT,
    held_until_us BIGINT,
    created_at_us BIGINT NOT NULL,
    finished_at_us BIGINT
);
CREATE UNIQUE INDEX key_rotation_running ON key_rotation (environment_pk) WHERE state = 'running';
