//! Texts of the batch path. Postgres takes a batch as arrays in one round trip; SQLite runs one prepared statement per
//! record, which costs less there than any list does. Lists of ids are JSON texts, which each database unpacks its way.

use crate::statements;

macro_rules! postgres_ids {
    ($number:literal) => {
        concat!("(SELECT jsonb_array_elements_text($", $number, "::jsonb))")
    };
}

macro_rules! sqlite_ids {
    ($number:literal) => {
        concat!("(SELECT value FROM json_each($", $number, "))")
    };
}

macro_rules! page {
    ($ids:expr) => {
        concat!(
            "SELECT external_id, id, payload, created_at_us, updated_at_us, deleted_at_us, pruned_at_us
            FROM record
            WHERE connection_pk = $1 AND model = $2 AND updated_at_us >= 0 AND (updated_at_us, id) > ($3, $4)
                AND CASE
                    WHEN deleted_at_us IS NOT NULL THEN CAST($5 AS BOOLEAN)
                    WHEN created_at_us = updated_at_us THEN $6
                    ELSE $7
                END",
            $ids,
            " ORDER BY updated_at_us, id LIMIT $8"
        )
    };
}

macro_rules! record_columns {
    () => {
        "external_id, id, payload, created_at_us, updated_at_us, deleted_at_us, pruned_at_us, hash, size_bytes"
    };
}

macro_rules! delete {
    ($ids:expr) => {
        concat!(
            "UPDATE record SET deleted_at_us = $3, updated_at_us = $3
            WHERE connection_pk = $1 AND model = $2 AND deleted_at_us IS NULL AND external_id IN ",
            $ids,
            " RETURNING external_id, size_bytes"
        )
    };
}

macro_rules! put {
    ($rows:expr) => {
        concat!(
            "INSERT INTO record (connection_pk, model, sync_pk, external_id, id, hash, payload, size_bytes,
                created_at_us, updated_at_us, deleted_at_us) ",
            $rows,
            " ON CONFLICT (connection_pk, model, external_id) DO UPDATE SET
                sync_pk = excluded.sync_pk, hash = excluded.hash, payload = excluded.payload,
                size_bytes = excluded.size_bytes, created_at_us = excluded.created_at_us,
                updated_at_us = excluded.updated_at_us, deleted_at_us = excluded.deleted_at_us, pruned_at_us = NULL"
        )
    };
}

statements! {
    /// What is stored of a batch. On Postgres by lateral join: `= ANY` scans a table that has no statistics yet. What is
    /// stored just so comes as one value, place after place: most batches change little, and rows cost more than look-ups.
    PROBE = "
        WITH found AS MATERIALIZED (
            SELECT batch.place, stored.*,
                stored.hash = batch.hash AND stored.deleted_at_us IS NULL AND stored.pruned_at_us IS NULL AS is_same
            FROM UNNEST($3::text[], $4::bytea[]) WITH ORDINALITY AS batch (external_id, hash, place)
            CROSS JOIN LATERAL (
                SELECT hash, size_bytes, created_at_us, updated_at_us, deleted_at_us, pruned_at_us
                FROM record WHERE connection_pk = $1 AND model = $2 AND external_id = batch.external_id
                LIMIT 1) AS stored)
        SELECT place, hash, size_bytes, created_at_us, updated_at_us, deleted_at_us, pruned_at_us
        FROM found WHERE NOT is_same
        UNION ALL
        SELECT 0, string_agg(int8send(place), ''), 0, 0, 0, NULL, NULL FROM found WHERE is_same",
    sqlite: "
        SELECT hash, deleted_at_us, pruned_at_us, size_bytes, created_at_us, updated_at_us
        FROM record WHERE connection_pk = $1 AND model = $2 AND external_id = $3";

    /// Writes whole rows over whatever is there.
    PUT = put!(
        "SELECT $1::bigint, $2::text, $3::bigint, batch.* FROM UNNEST($4::text[], $5::bytea[], $6::bytea[], $7::bytea[],
            $8::bigint[], $9::bigint[], $10::bigint[], $11::bigint[]) AS batch"
    ),
    sqlite: put!("VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11)");

    PAGE = page!(""), sqlite: page!("");

    PAGE_OF_IDS = page!(concat!(" AND external_id IN ", postgres_ids!(9))),
    sqlite: page!(concat!(" AND external_id IN ", sqlite_ids!(9)));

    BY_IDS = concat!(
        "SELECT stored.* FROM jsonb_array_elements_text($3::jsonb) AS wanted (external_id)
        CROSS JOIN LATERAL (
            SELECT ", record_columns!(), " FROM record
            WHERE connection_pk = $1 AND model = $2 AND external_id = wanted.external_id
            LIMIT 1) AS stored"
    ), sqlite: concat!(
        "SELECT ", record_columns!(), " FROM record
        WHERE connection_pk = $1 AND model = $2 AND external_id IN ", sqlite_ids!(3)
    );

    DELETE_IDS = delete!(postgres_ids!(4)), sqlite: delete!(sqlite_ids!(4));
}
