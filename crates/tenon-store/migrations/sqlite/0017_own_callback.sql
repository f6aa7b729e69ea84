-- Whether the provider sends browsers back to an address of this integration's own (RFC 9700, 4.4.2.2).
ALTER TABLE integration ADD COLUMN own_callback BOOLEAN NOT NULL DEFAULT FALSE;
