-- How the Connect UI looks and behaves for an environment (JSON), where that was changed.
ALTER TABLE environment ADD COLUMN connect_ui TEXT;

-- Whether a session may list, reconnect and delete the connections of its end user.
ALTER TABLE connect_session ADD COLUMN manage_connections BOOLEAN NOT NULL DEFAULT FALSE;
-- Whether it asks for the settings of syncs; null: as the environment says.
ALTER TABLE connect_session ADD COLUMN ask_settings BOOLEAN;

-- How the latest attempt of a session stands, for a page that was reloaded meanwhile.
CREATE TABLE connect_attempt (
    session_pk BIGINT PRIMARY KEY REFERENCES connect_session (pk) ON DELETE CASCADE,
    -- The operation of the attempt: a late failure of another one changes nothing.
    operation_id TEXT,
    ws_client_id TEXT,
    integration_key TEXT NOT NULL,
    connection_id TEXT NOT NULL,
    -- 'pending', 'connected' or 'failed'.
    state TEXT NOT NULL,
    error_type TEXT,
    error_message TEXT,
    -- Whether the application has heard how it ended.
    told BOOLEAN NOT NULL,
    started_at_us BIGINT NOT NULL,
    ended_at_us BIGINT
);
