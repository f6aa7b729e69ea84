//! Who read which secret.

use tenon_core::{Timestamp, names::EnvironmentPk};

use crate::{Reader, Row, StoreError, Tx, params};

crate::statements! {
    READ_ADD = "
        INSERT INTO secret_read (pk, environment_pk, minute, door, reader, reader_pk, reader_name, subject, subject_pk,
            subject_name, reads, first_us, last_us)
        VALUES ($1, $2, $3, $4, $5, $6,
            CASE CAST($5 AS TEXT)
                WHEN 'key' THEN (SELECT name FROM api_key WHERE pk = $6)
                WHEN 'function' THEN (SELECT name FROM function WHERE pk = $6)
            END,
            $7, $8,
            CASE CAST($7 AS TEXT)
                WHEN 'connection' THEN (
                    SELECT i.unique_key || '/' || c.connection_id
                    FROM connection c JOIN integration i ON i.pk = c.integration_pk WHERE c.pk = $8)
                WHEN 'integration' THEN (SELECT unique_key FROM integration WHERE pk = $8)
            END,
            $9, $10, $11)
        ON CONFLICT (environment_pk, minute, door, reader, reader_pk, subject, subject_pk) DO UPDATE
            SET reads = secret_read.reads + excluded.reads, last_us = excluded.last_us";
    READ_LIST = "
        SELECT pk, door, reader, reader_pk, reader_name, subject, subject_pk, subject_name, reads, first_us, last_us
        FROM secret_read
        WHERE environment_pk = $1 AND pk < $2 AND (CAST($3 AS TEXT) IS NULL OR subject_name = $3)
        ORDER BY pk DESC LIMIT $4";
    READ_DELETE_OLD = "
        DELETE FROM secret_read WHERE pk IN (
            SELECT pk FROM secret_read WHERE last_us < $1 ORDER BY last_us LIMIT $2)";
}

/// Reads of a minute, to add to what is stored.
#[derive(Clone, Debug)]
pub struct NewSecretReads {
    pub pk: i64,
    pub environment: EnvironmentPk,
    /// Minutes since 1970.
    pub minute: i64,
    pub door: &'static str,
    pub reader: &'static str,
    pub reader_pk: i64,
    pub subject: &'static str,
    pub subject_pk: i64,
    pub reads: i64,
    pub first: Timestamp,
    pub last: Timestamp,
}

/// Reads of a minute.
#[derive(Clone, Debug)]
pub struct SecretReadsRow {
    pub pk: i64,
    pub door: String,
    pub reader: String,
    pub reader_pk: i64,
    pub reader_name: Option<String>,
    pub subject: String,
    pub subject_pk: i64,
    /// Of a connection: `integration/connection id`.
    pub subject_name: Option<String>,
    pub reads: i64,
    pub first: Timestamp,
    pub last: Timestamp,
}

impl SecretReadsRow {
    fn from_row(row: &Row) -> Result<Self, StoreError> {
        Ok(Self {
            pk: row.get(0)?,
            door: row.get(1)?,
            reader: row.get(2)?,
            reader_pk: row.get(3)?,
            reader_name: row.get(4)?,
            subject: row.get(5)?,
            subject_pk: row.get(6)?,
            subject_name: row.get(7)?,
            reads: row.get(8)?,
            first: row.get(9)?,
            last: row.get(10)?,
        })
    }
}

impl Tx {
    /// Adds to the reads of a minute.
    pub async fn add_secret_reads(&self, new: &NewSecretReads) -> Result<(), StoreError> {
        let values = params![
            new.pk,
            new.environment,
            new.minute,
            new.door,
            new.reader,
            new.reader_pk,
            new.subject,
            new.subject_pk,
            new.reads,
            new.first,
            new.last,
        ];
        self.execute(&READ_ADD, values).await.map(|_| ())
    }

    /// Forgets reads that nobody will ask about.
    pub async fn delete_secret_reads_before(
        &self,
        before: Timestamp,
        limit: i64,
    ) -> Result<u64, StoreError> {
        self.execute(&READ_DELETE_OLD, params![before, limit]).await
    }
}

impl Reader {
    /// Reads of secrets of an environment, the newest first; `before` is the `pk` of the last one seen. `subject` is
    /// `integration/connection id`.
    pub async fn list_secret_reads(
        &self,
        environment: EnvironmentPk,
        before: i64,
        subject: Option<&str>,
        limit: i64,
    ) -> Result<Vec<SecretReadsRow>, StoreError> {
        let params = params![environment, before, subject.map(str::to_owned), limit];
        let rows = self.query(&READ_LIST, params).await?;
        rows.iter().map(SecretReadsRow::from_row).collect()
    }
}
