//! Operations: one row per logged happening.

use tenon_core::{
    Timestamp,
    names::{ConnectionPk, EnvironmentPk},
};

use crate::{Reader, Row, StoreError, Tx, params};

crate::statements! {
    OPERATION_INSERT = "
        INSERT INTO operation (id, environment_pk, kind, title, state, integration_key, connection_id, connection_pk,
            function_name, error, parent_id, created_at_us, ended_at_us)
        VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11, $12, $13)";
    OPERATION_STATE = "
        UPDATE operation SET state = $2, error = $3, ended_at_us = $4 WHERE id = $1";
    OPERATION_FIND = "
        SELECT id, environment_pk, kind, title, state, integration_key, connection_id, connection_pk, function_name,
            error, parent_id, created_at_us, ended_at_us
        FROM operation WHERE environment_pk = $1 AND id = $2";
    OPERATION_LIST = "
        SELECT id, environment_pk, kind, title, state, integration_key, connection_id, connection_pk, function_name,
            error, parent_id, created_at_us, ended_at_us
        FROM operation
        WHERE environment_pk = $1 AND (created_at_us, id) < ($2, $3)
        ORDER BY created_at_us DESC, id DESC LIMIT $4";
    OPERATION_DELETE_OLD = "
        DELETE FROM operation WHERE id IN (
            SELECT id FROM operation WHERE created_at_us < $1 ORDER BY created_at_us LIMIT $2)";
}

/// A logged happening.
#[derive(Clone, Debug)]
pub struct OperationRow {
    pub id: String,
    pub environment: EnvironmentPk,
    pub kind: String,
    pub title: String,
    pub state: String,
    pub integration: Option<String>,
    pub connection_id: Option<String>,
    pub connection: Option<ConnectionPk>,
    pub function: Option<String>,
    pub error: Option<String>,
    pub parent: Option<String>,
    pub created_at: Timestamp,
    pub ended_at: Option<Timestamp>,
}

impl OperationRow {
    fn from_row(row: &Row) -> Result<Self, StoreError> {
        Ok(Self {
            id: row.get(0)?,
            environment: row.get(1)?,
            kind: row.get(2)?,
            title: row.get(3)?,
            state: row.get(4)?,
            integration: row.get(5)?,
            connection_id: row.get(6)?,
            connection: row.get(7)?,
            function: row.get(8)?,
            error: row.get(9)?,
            parent: row.get(10)?,
            created_at: row.get(11)?,
            ended_at: row.get(12)?,
        })
    }
}

impl Tx {
    /// Stores a new operation.
    pub async fn insert_operation(&self, operation: &OperationRow) -> Result<(), StoreError> {
        let values = params![
            operation.id.as_str(),
            operation.environment,
            operation.kind.as_str(),
            operation.title.as_str(),
            operation.state.as_str(),
            operation.integration.clone(),
            operation.connection_id.clone(),
            operation.connection,
            operation.function.clone(),
            operation.error.clone(),
            operation.parent.clone(),
            operation.created_at,
            operation.ended_at,
        ];
        self.execute(&OPERATION_INSERT, values).await.map(|_| ())
    }

    /// Sets the state of an operation; `ended_at` when it is final.
    pub async fn set_operation_state(
        &self,
        id: &str,
        state: &str,
        error: Option<&str>,
        ended_at: Option<Timestamp>,
    ) -> Result<(), StoreError> {
        self.execute(&OPERATION_STATE, params![id, state, error, ended_at])
            .await
            .map(|_| ())
    }

    /// Deletes up to `limit` operations older than `before`; returns how many went.
    pub async fn delete_operations_before(
        &self,
        before: Timestamp,
        limit: i64,
    ) -> Result<u64, StoreError> {
        self.execute(&OPERATION_DELETE_OLD, params![before, limit])
            .await
    }
}

impl Reader {
    /// One operation of an environment.
    pub async fn find_operation(
        &self,
        environment: EnvironmentPk,
        id: &str,
    ) -> Result<Option<OperationRow>, StoreError> {
        self.find(&OPERATION_FIND, params![environment, id])
            .await?
            .map(|row| OperationRow::from_row(&row))
            .transpose()
    }

    /// The newest operations before an instant and, of those of that instant, before an id.
    pub async fn list_operations(
        &self,
        environment: EnvironmentPk,
        before: Timestamp,
        before_id: &str,
        limit: i64,
    ) -> Result<Vec<OperationRow>, StoreError> {
        let rows = self
            .query(
                &OPERATION_LIST,
                params![environment, before, before_id, limit],
            )
            .await?;
        rows.iter().map(OperationRow::from_row).collect()
    }
}
