-- What functions of an environment may do: 'open' or 'provider-only', hosts that are open besides (a JSON list),
-- 'visible' or 'host-only'; and what happens to records that do not fit their schema: 'off', 'warn' or 'quarantine'.
ALTER TABLE environment ADD COLUMN egress_mode TEXT NOT NULL DEFAULT 'open';
ALTER TABLE environment ADD COLUMN egress_hosts TEXT NOT NULL DEFAULT '[]';
ALTER TABLE environment ADD COLUMN token_mode TEXT NOT NULL DEFAULT 'visible';
ALTER TABLE environment ADD COLUMN record_validation TEXT NOT NULL DEFAULT 'warn';
