-- Which deployments a version was active in: those from the one that activated it up to the one that retired it.
ALTER TABLE function ADD COLUMN activated_by BIGINT;
ALTER TABLE function ADD COLUMN retired_by BIGINT;
-- BLAKE3 of the source, hex: two versions may differ in nothing else.
ALTER TABLE function ADD COLUMN typescript_hash TEXT;
UPDATE function SET activated_by = COALESCE(deployment_pk, 0);
-- When an older version was retired is not known.
UPDATE function SET retired_by = activated_by WHERE NOT active;
CREATE INDEX deployment_environment ON deployment (environment_pk, pk);
