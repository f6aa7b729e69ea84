//! Every sealed column: how to walk through it, how to put a value back, how to count.

use bytes::Bytes;
use serde_json::json;
use tenon_core::names::{ConnectionPk, EnvironmentPk};

use super::dialect;
use crate::{Param, Reader, SealContext, Statement, StoreError, Tx, params};

macro_rules! next {
    ($table:literal, $column:literal) => {
        next!(
            $table,
            $column,
            "environment_pk",
            "pk",
            "CAST(NULL AS BIGINT)",
            "CAST(pk AS TEXT)"
        )
    };
    ($table:literal, $column:literal, $connection:literal) => {
        next!(
            $table,
            $column,
            "environment_pk",
            "pk",
            $connection,
            "CAST(pk AS TEXT)"
        )
    };
    ($table:literal, $column:literal, $environment:literal, $key:literal, $connection:expr, $row:literal) => {
        concat!(
            "SELECT ",
            $key,
            ", ",
            $connection,
            ", ",
            $row,
            ", ",
            $column,
            " FROM ",
            $table,
            " WHERE ",
            $environment,
            " = $1 AND ",
            $key,
            " > $2 AND ",
            $column,
            " IS NOT NULL AND substr(",
            $column,
            ", 2, 8) <> $3 ORDER BY ",
            $table,
            ".",
            $key,
            " LIMIT $4"
        )
    };
}

macro_rules! count {
    ($table:literal, $column:literal) => {
        count!($table, $column, "environment_pk")
    };
    ($table:literal, $column:literal, $environment:literal) => {
        concat!(
            "SELECT substr(",
            $column,
            ", 2, 8), COUNT(*) FROM ",
            $table,
            " WHERE ",
            $environment,
            " = $1 AND ",
            $column,
            " IS NOT NULL GROUP BY 1"
        )
    };
}

crate::statements! {
    NEXT_SIGNING_KEY = next!("environment", "webhook_signing_key", "pk", "pk", "CAST(NULL AS BIGINT)", "CAST(pk AS TEXT)");
    NEXT_HMAC_KEY = next!("environment", "hmac_key", "pk", "pk", "CAST(NULL AS BIGINT)", "CAST(pk AS TEXT)");
    NEXT_API_KEY = next!("api_key", "sealed");
    NEXT_VARIABLE = next!("environment_variable", "sealed_value");
    NEXT_INTEGRATION = next!("integration", "secrets");
    NEXT_CONNECTION = next!("connection", "credentials", "pk");
    NEXT_PENDING_AUTH = next!("pending_auth", "payload", "environment_pk", "lookup", "CAST(NULL AS BIGINT)", "''");
    NEXT_DEVICE_FLOW = next!("device_flow", "payload", "environment_pk", "id", "CAST(NULL AS BIGINT)", "id");
    NEXT_TASK = next!("task", "payload", "connection_pk");
    NEXT_TASK_OUTPUT = next!("task", "output", "connection_pk");
    NEXT_EVENT = next!("event", "body", "environment_pk", "pk", "connection_pk", "id");
    NEXT_EVENT_HEADERS = next!("event", "headers", "environment_pk", "pk", "connection_pk", "id");
    NEXT_INBOUND = next!("inbound", "request");
    NEXT_JOB = next!("job", "request", "environment_pk", "id", "CAST(NULL AS BIGINT)", "id");
    NEXT_JOB_RESULT = next!("job", "result", "environment_pk", "id", "CAST(NULL AS BIGINT)", "id");
    NEXT_QUARANTINE = next!("quarantine", "payload", "connection_pk");
    NEXT_REVOCATION = next!("revocation", "request", "connection_pk");
    NEXT_RECORD = "
        SELECT external_id, id, payload FROM record
        WHERE connection_pk = $1 AND model = $2 AND (CAST($3 AS TEXT) IS NULL OR external_id > $3)
            AND payload IS NOT NULL AND substr(payload, 2, 8) <> $4
        ORDER BY external_id LIMIT $5";
    NEXT_MODELS = "
        SELECT connection_pk, model FROM model_head
        WHERE environment_pk = $1 AND (connection_pk, model) > ($2, $3)
        ORDER BY connection_pk, model LIMIT $4";

    COUNT_SIGNING_KEY = count!("environment", "webhook_signing_key", "pk");
    COUNT_HMAC_KEY = count!("environment", "hmac_key", "pk");
    COUNT_API_KEY = count!("api_key", "sealed");
    COUNT_VARIABLE = count!("environment_variable", "sealed_value");
    COUNT_INTEGRATION = count!("integration", "secrets");
    COUNT_CONNECTION = count!("connection", "credentials");
    COUNT_PENDING_AUTH = count!("pending_auth", "payload");
    COUNT_DEVICE_FLOW = count!("device_flow", "payload");
    COUNT_TASK = count!("task", "payload");
    COUNT_TASK_OUTPUT = count!("task", "output");
    COUNT_EVENT = count!("event", "body");
    COUNT_EVENT_HEADERS = count!("event", "headers");
    COUNT_INBOUND = count!("inbound", "request");
    COUNT_JOB = count!("job", "request");
    COUNT_JOB_RESULT = count!("job", "result");
    COUNT_QUARANTINE = count!("quarantine", "payload");
    COUNT_REVOCATION = count!("revocation", "request");
    COUNT_RECORD = "
        SELECT substr(r.payload, 2, 8), COUNT(*)
        FROM model_head h JOIN record r ON r.connection_pk = h.connection_pk AND r.model = h.model
        WHERE h.environment_pk = $1 AND r.payload IS NOT NULL GROUP BY 1";
}

/// Models looked at in one step when nothing is found in them.
const MODELS: i64 = 64;

/// What a row is found by.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Keyed {
    Int,
    Text,
    Bytes,
    /// Connection, model and id.
    Record,
}

/// A sealed column.
pub(crate) struct Place {
    pub(crate) table: &'static str,
    pub(crate) column: &'static str,
    keyed: Keyed,
    next: &'static Statement,
    put: &'static Statement,
    pub(crate) count: &'static Statement,
}

macro_rules! places {
    ($($table:literal, $column:literal, $keyed:ident, $next:ident, $put:ident, $count:ident;)*) => {
        /// All of them, in the order in which they are walked through. A column that a migration adds stands here too;
        /// a test looks for others.
        pub(crate) static PLACES: &[Place] = &[$(Place {
            table: $table,
            column: $column,
            keyed: Keyed::$keyed,
            next: &$next,
            put: &dialect::$put,
            count: &$count,
        }),*];
    };
}

places! {
    "environment", "webhook_signing_key", Int, NEXT_SIGNING_KEY, PUT_SIGNING_KEY, COUNT_SIGNING_KEY;
    "environment", "hmac_key", Int, NEXT_HMAC_KEY, PUT_HMAC_KEY, COUNT_HMAC_KEY;
    "api_key", "sealed", Int, NEXT_API_KEY, PUT_API_KEY, COUNT_API_KEY;
    "environment_variable", "sealed_value", Int, NEXT_VARIABLE, PUT_VARIABLE, COUNT_VARIABLE;
    "integration", "secrets", Int, NEXT_INTEGRATION, PUT_INTEGRATION, COUNT_INTEGRATION;
    "connection", "credentials", Int, NEXT_CONNECTION, PUT_CONNECTION, COUNT_CONNECTION;
    "pending_auth", "payload", Bytes, NEXT_PENDING_AUTH, PUT_PENDING_AUTH, COUNT_PENDING_AUTH;
    "device_flow", "payload", Text, NEXT_DEVICE_FLOW, PUT_DEVICE_FLOW, COUNT_DEVICE_FLOW;
    "task", "payload", Int, NEXT_TASK, PUT_TASK, COUNT_TASK;
    "task", "output", Int, NEXT_TASK_OUTPUT, PUT_TASK_OUTPUT, COUNT_TASK_OUTPUT;
    "event", "body", Int, NEXT_EVENT, PUT_EVENT, COUNT_EVENT;
    "event", "headers", Int, NEXT_EVENT_HEADERS, PUT_EVENT_HEADERS, COUNT_EVENT_HEADERS;
    "inbound", "request", Int, NEXT_INBOUND, PUT_INBOUND, COUNT_INBOUND;
    "job", "request", Text, NEXT_JOB, PUT_JOB, COUNT_JOB;
    "job", "result", Text, NEXT_JOB_RESULT, PUT_JOB_RESULT, COUNT_JOB_RESULT;
    "quarantine", "payload", Int, NEXT_QUARANTINE, PUT_QUARANTINE, COUNT_QUARANTINE;
    "revocation", "request", Int, NEXT_REVOCATION, PUT_REVOCATION, COUNT_REVOCATION;
    "record", "payload", Record, NEXT_RECORD, PUT_RECORD, COUNT_RECORD;
}

/// Tables and columns that hold sealed values.
pub fn sealed_columns() -> impl Iterator<Item = (&'static str, &'static str)> {
    PLACES.iter().map(|place| (place.table, place.column))
}

/// A value that is not under the wanted key.
pub(crate) struct Candidate {
    key: Vec<Param>,
    connection: Option<ConnectionPk>,
    row: String,
    pub(crate) sealed: Bytes,
}

/// Some candidates, and where to go on.
pub(crate) struct Found {
    pub(crate) candidates: Vec<Candidate>,
    /// The next place begins when this is nothing.
    pub(crate) after: Option<String>,
}

/// What a walk looks for.
#[derive(Clone, Copy)]
pub(crate) struct Wanted {
    pub(crate) environment: EnvironmentPk,
    /// Id of the key that is wanted, as sealed values have it.
    pub(crate) key: [u8; 8],
    pub(crate) limit: i64,
}

impl Place {
    pub(crate) fn name(&self) -> String {
        format!("{}.{}", self.table, self.column)
    }

    /// The next values that are not under the wanted key.
    pub(crate) async fn next(
        &self,
        reader: &Reader,
        wanted: Wanted,
        after: &str,
    ) -> Result<Found, StoreError> {
        if self.keyed == Keyed::Record {
            return self.next_records(reader, wanted, after).await;
        }
        let from = match self.keyed {
            Keyed::Int => Param::from(after.parse::<i64>().unwrap_or(i64::MIN)),
            Keyed::Bytes => Param::from(hex::decode(after).unwrap_or_default()),
            Keyed::Text | Keyed::Record => Param::from(after),
        };
        let params = [
            Param::from(wanted.environment),
            from,
            Param::from(wanted.key.to_vec()),
            Param::from(wanted.limit),
        ];
        let rows = reader.query(self.next, &params).await?;
        let is_full = i64::try_from(rows.len()).is_ok_and(|count| count >= wanted.limit);
        let mut last = None;
        let mut candidates = Vec::with_capacity(rows.len());
        for row in rows {
            let (key, text, name) = match self.keyed {
                Keyed::Int => {
                    let key: i64 = row.get(0)?;
                    (Param::from(key), key.to_string(), row.get(2)?)
                }
                Keyed::Bytes => {
                    let key: Bytes = row.get(0)?;
                    let text = hex::encode(&key);
                    (Param::from(key), text.clone(), text)
                }
                Keyed::Text | Keyed::Record => {
                    let key: String = row.get(0)?;
                    (Param::from(&key), key, row.get(2)?)
                }
            };
            candidates.push(Candidate {
                key: vec![key],
                connection: row.get(1)?,
                row: name,
                sealed: row.get(3)?,
            });
            last = Some(text);
        }
        Ok(Found {
            candidates,
            after: last.filter(|_| is_full),
        })
    }

    /// Records have no key of their environment: they are found model by model. A place among them is a JSON list of
    /// connection, model and the last id, which is null when the model is done with.
    async fn next_records(
        &self,
        reader: &Reader,
        wanted: Wanted,
        after: &str,
    ) -> Result<Found, StoreError> {
        let (mut connection, mut model, mut last): (i64, String, Option<String>) =
            serde_json::from_str(after).unwrap_or((i64::MIN, String::new(), None));
        if let Some(id) = &last {
            let found = self
                .records(reader, wanted, (connection, &model), Some(id))
                .await?;
            if !found.is_empty() {
                return Ok(records_found(connection, &model, found));
            }
        }
        let models = params![wanted.environment, connection, &model, MODELS];
        let models = reader.query(&NEXT_MODELS, models).await?;
        let is_full = i64::try_from(models.len()).is_ok_and(|count| count >= MODELS);
        for row in models {
            (connection, model, last) = (row.get(0)?, row.get(1)?, None);
            let found = self
                .records(reader, wanted, (connection, &model), last.as_ref())
                .await?;
            if !found.is_empty() {
                return Ok(records_found(connection, &model, found));
            }
        }
        Ok(Found {
            candidates: Vec::new(),
            after: is_full.then(|| json!([connection, model, null]).to_string()),
        })
    }

    async fn records(
        &self,
        reader: &Reader,
        wanted: Wanted,
        (connection, model): (i64, &str),
        after: Option<&String>,
    ) -> Result<Vec<(String, Candidate)>, StoreError> {
        let key = wanted.key.to_vec();
        let params = params![connection, model, after.cloned(), key, wanted.limit];
        let mut found = Vec::new();
        for row in reader.query(self.next, params).await? {
            let external_id: String = row.get(0)?;
            let id: Bytes = row.get(1)?;
            let id = uuid::Uuid::from_slice(&id).map_err(|_| StoreError::Corrupt {
                table: "record",
                column: "id",
                row: external_id.clone(),
            })?;
            let candidate = Candidate {
                key: params![connection, model, &external_id].to_vec(),
                connection: Some(ConnectionPk(connection)),
                row: id.to_string(),
                sealed: row.get(2)?,
            };
            found.push((external_id, candidate));
        }
        Ok(found)
    }

    /// Where a candidate lives, for sealing.
    pub(crate) fn context<'a>(
        &self,
        environment: EnvironmentPk,
        candidate: &'a Candidate,
    ) -> SealContext<'a> {
        SealContext {
            environment,
            connection: candidate.connection,
            table: self.table,
            column: self.column,
            row: &candidate.row,
        }
    }

    /// Puts a value in the place of the one that was read; nothing happens if that has changed meanwhile, or if somebody
    /// is changing it now.
    pub(crate) async fn put(
        &self,
        tx: &Tx,
        candidate: &Candidate,
        sealed: Bytes,
    ) -> Result<u64, StoreError> {
        let mut params = candidate.key.clone();
        params.push(Param::from(candidate.sealed.clone()));
        params.push(Param::from(sealed));
        tx.execute(self.put, &params).await
    }
}

fn records_found(connection: i64, model: &str, found: Vec<(String, Candidate)>) -> Found {
    let last = found.last().map(|(id, _)| id.clone());
    Found {
        candidates: found.into_iter().map(|(_, candidate)| candidate).collect(),
        after: Some(json!([connection, model, last]).to_string()),
    }
}
