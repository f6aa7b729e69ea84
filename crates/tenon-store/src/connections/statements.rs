//! SQL of connections.

/// How many tags one list request can filter by beside the first: a connection never has more than ten.
pub(super) const TAG_SLOTS: usize = 10;

macro_rules! columns {
    () => {
        "c.pk, c.environment_pk, c.integration_pk, i.unique_key, c.connection_id, c.provider, c.auth_mode, c.credentials,
            c.credentials_expires_at_us, c.credentials_version, c.connection_config, c.metadata, c.tags, c.end_user,
            c.webhook_url_override, c.last_fetched_at_us, c.last_refresh_success_us, c.last_refresh_failure_us,
            c.refresh_attempts, c.refresh_exhausted, c.auth_error, c.auth_error_log_id, c.sync_error_log_id,
            c.created_at_us, c.updated_at_us"
    };
}

macro_rules! select {
    ($rest:expr) => {
        concat!(
            "SELECT ",
            columns!(),
            " FROM connection c JOIN integration i ON i.pk = c.integration_pk ",
            $rest
        )
    };
}

macro_rules! tag {
    ($name:literal, $value:literal) => {
        concat!(
            " AND (CAST($",
            $name,
            " AS TEXT) IS NULL OR EXISTS (SELECT 1 FROM connection_lookup t
            WHERE t.environment_pk = $1 AND t.kind = 'tag' AND t.path = $",
            $name,
            " AND t.value = $",
            $value,
            " AND t.connection_pk = c.pk))"
        )
    };
}

/// `$by` says how the list is put in order: [`in_order`] reads an index and stops early, [`sorted`] sorts what was found.
macro_rules! list {
    ($source:expr, $condition:expr, $by:expr) => {
        concat!("SELECT ", columns!(), " FROM ", $source, "
            WHERE c.integration_pk = i.pk AND c.deleted_at_us IS NULL AND i.deleted_at_us IS NULL ", $condition, "
            AND (CAST($4 AS TEXT) IS NULL OR c.connection_id = $4)
            AND (CAST($5 AS TEXT) IS NULL OR lower(c.connection_id) LIKE lower($5) ESCAPE '\\' OR EXISTS (
                SELECT 1 FROM connection_lookup s
                WHERE s.connection_pk = c.pk AND s.kind = 'end_user' AND s.path IN ('email', 'display_name')
                    AND lower(s.value) LIKE lower($5) ESCAPE '\\'))
            AND (CAST($6 AS TEXT) IS NULL OR CAST($6 AS TEXT) LIKE '%,' || CAST(c.integration_pk AS TEXT) || ',%')
            AND (CAST($7 AS TEXT) IS NULL OR EXISTS (SELECT 1 FROM connection_lookup o
                WHERE o.environment_pk = $1 AND o.kind = 'end_user' AND o.path = 'organization.id' AND o.value = $7
                    AND o.connection_pk = c.pk))",
            tag!("11", "12"), tag!("13", "14"), tag!("15", "16"), tag!("17", "18"), tag!("19", "20"),
            tag!("21", "22"), tag!("23", "24"), tag!("25", "26"), tag!("27", "28"), tag!("29", "30"),
            $by, " LIMIT $2 OFFSET $3")
    };
}

macro_rules! in_order {
    () => {
        " ORDER BY c.created_at_us DESC, c.pk DESC"
    };
}

// A plus sign keeps the planner of SQLite from an index: from reading all connections in order, to save the sorting of a
// few.
macro_rules! sorted {
    () => {
        " ORDER BY +c.created_at_us DESC, +c.pk DESC"
    };
}

/// No label drives the query.
macro_rules! unlabelled {
    () => {
        " AND c.environment_pk = $1 AND CAST($8 AS TEXT) IS NULL AND CAST($9 AS TEXT) IS NULL AND CAST($10 AS TEXT) IS NULL"
    };
}

/// How many of the newest connections are looked through before a search looks through all. Beyond these it starts from
/// what fits, which takes long where much does.
pub(super) const NEWEST: i64 = 10_000;

crate::statements! {
    CONNECTION_FIND = select!("
        WHERE i.environment_pk = $1 AND i.unique_key = $2 AND i.deleted_at_us IS NULL
            AND c.connection_id = $3 AND c.deleted_at_us IS NULL");
    CONNECTION_BY_PK = select!("WHERE c.pk = $1 AND c.deleted_at_us IS NULL");
    CONNECTION_LOCK = select!("
        WHERE c.integration_pk = $1 AND c.connection_id = $2 AND c.deleted_at_us IS NULL");
    CONNECTION_LIST = list!("connection c JOIN integration i ON i.pk = c.integration_pk", unlabelled!(), in_order!());
    CONNECTION_LIST_NEWEST = list!("connection c JOIN integration i ON i.pk = c.integration_pk", concat!("
        AND c.created_at_us >= COALESCE((
            SELECT created_at_us FROM connection WHERE environment_pk = $1
            ORDER BY created_at_us DESC, pk DESC LIMIT 1 OFFSET 10000), 0)", unlabelled!()), in_order!());
    CONNECTION_LIST_ID = list!("connection c CROSS JOIN integration i",
        concat!(" AND c.connection_id = $4", unlabelled!()), sorted!());
    /// What fits comes from indexes that hold all that is compared.
    CONNECTION_LIST_SEARCH = list!("(
            SELECT a.pk FROM connection a
            WHERE a.environment_pk = $1 AND lower(a.connection_id) LIKE lower($5) ESCAPE '\\'
            UNION
            SELECT b.connection_pk FROM connection_lookup b
            WHERE b.environment_pk = $1 AND b.kind = 'end_user' AND b.path IN ('email', 'display_name')
                AND lower(b.value) LIKE lower($5) ESCAPE '\\'
        ) AS found CROSS JOIN connection c CROSS JOIN integration i",
        concat!(" AND c.pk = found.pk", unlabelled!()), sorted!());
    CONNECTION_LIST_INTEGRATIONS = list!("integration i CROSS JOIN connection c", "
        AND i.environment_pk = $1 AND CAST($6 AS TEXT) LIKE '%,' || CAST(i.pk AS TEXT) || ',%'
        AND CAST($8 AS TEXT) IS NULL AND CAST($9 AS TEXT) IS NULL AND CAST($10 AS TEXT) IS NULL", sorted!());
    CONNECTION_LIST_LABELLED = list!("connection_lookup l CROSS JOIN connection c CROSS JOIN integration i", "
        AND c.environment_pk = $1 AND c.pk = l.connection_pk AND l.environment_pk = $1 AND l.kind = $8 AND l.path = $9 AND l.value = $10",
        sorted!());
    CONNECTION_BY_LOOKUP = select!("
        JOIN connection_lookup l ON l.connection_pk = c.pk
        WHERE l.environment_pk = $1 AND l.kind = $2 AND l.path = $3 AND l.value = $4 AND c.integration_pk = $5
            AND c.deleted_at_us IS NULL
        ORDER BY c.pk");
    CONNECTION_KEYS = "
        SELECT pk, connection_id FROM connection
        WHERE integration_pk = $1 AND deleted_at_us IS NULL ORDER BY pk";
    CONNECTION_INSERT = "
        INSERT INTO connection (pk, environment_pk, integration_pk, connection_id, provider, auth_mode, credentials,
            credentials_expires_at_us, connection_config, metadata, tags, end_user, webhook_url_override,
            last_fetched_at_us, refresh_attempts, refresh_exhausted, credentials_version, created_at_us, updated_at_us)
        VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11, $12, $13, $14, 0, FALSE, 1, $14, $14)";
    CONNECTION_OVERRIDE = "
        UPDATE connection SET provider = $2, auth_mode = $3, credentials = $4, credentials_expires_at_us = $5,
            connection_config = $6, metadata = $7, tags = $8, end_user = $9, webhook_url_override = $10,
            last_fetched_at_us = $11, last_refresh_failure_us = NULL, refresh_attempts = 0, refresh_exhausted = FALSE,
            auth_error = NULL, auth_error_log_id = NULL, credentials_version = credentials_version + 1,
            updated_at_us = $11
        WHERE pk = $1";
    CONNECTION_METADATA = "
        UPDATE connection SET metadata = $2, updated_at_us = $3 WHERE pk = $1";
    CONNECTION_CONFIG = "
        UPDATE connection SET connection_config = $2, updated_at_us = $3 WHERE pk = $1";
    CONNECTION_LABELS = "
        UPDATE connection SET end_user = $2, tags = $3, webhook_url_override = $4, updated_at_us = $5 WHERE pk = $1";
    CONNECTION_DELETE = "
        UPDATE connection SET deleted_at_us = $2, updated_at_us = $2 WHERE pk = $1 AND deleted_at_us IS NULL";
    CONNECTION_EXHAUST = "
        UPDATE connection SET refresh_exhausted = TRUE, last_refresh_failure_us = $4, auth_error = $2,
            auth_error_log_id = $3, updated_at_us = $4
        WHERE pk = $1";
    CONNECTION_FETCHED = "
        UPDATE connection SET last_fetched_at_us = $2 WHERE pk = $1";
    LOOKUP_INSERT = "
        INSERT INTO connection_lookup (environment_pk, integration_pk, kind, path, value, connection_pk)
        VALUES ($1, $2, $3, $4, $5, $6)
        ON CONFLICT DO NOTHING";
    LOOKUP_CLEAR = "
        DELETE FROM connection_lookup WHERE connection_pk = $1";
    LOOKUP_CLEAR_KIND = "
        DELETE FROM connection_lookup WHERE connection_pk = $1 AND kind = $2";
}
