//! Functions: one row per deployed version, one active row per integration, kind and name.

use std::sync::Arc;

use tenon_core::{
    Timestamp,
    names::{EnvironmentPk, FunctionPk, IntegrationPk},
};

use crate::{Reader, Row, StoreError, Tx, params};

macro_rules! select {
    ($rest:expr) => {
        concat!(
            "SELECT f.pk, f.environment_pk, f.integration_pk, i.unique_key, i.provider, f.kind, f.name, f.version,
            f.bundle_hash, f.sdk_version, f.models, f.input, f.models_json_schema, f.endpoints, f.features,
            f.metadata, f.webhook_subscriptions, f.runs, f.event, f.auto_start, f.track_deletes, f.sync_type,
            f.source, f.enabled, f.created_at_us, f.typescript_hash, f.activated_by, f.retired_by
        FROM function f JOIN integration i ON i.pk = f.integration_pk ",
            $rest
        )
    };
}

crate::statements! {
    BUNDLE_INSERT = "
        INSERT INTO bundle (hash, javascript, created_at_us) VALUES ($1, $2, $3) ON CONFLICT (hash) DO NOTHING";
    BUNDLE_FIND = "SELECT javascript FROM bundle WHERE hash = $1";
    FUNCTION_INSERT = "
        INSERT INTO function (pk, environment_pk, integration_pk, deployment_pk, kind, name, version, bundle_hash,
            typescript, sdk_version, models, input, models_json_schema, endpoints, features, metadata,
            webhook_subscriptions, runs, event, auto_start, track_deletes, sync_type, source, enabled, active,
            created_at_us, activated_by, typescript_hash)
        VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11, $12, $13, $14, $15, $16, $17, $18, $19, $20, $21, $22,
            $23, $24, TRUE, $25, $4, $26)";
    FUNCTION_SUPERSEDE = "
        UPDATE function SET active = FALSE, retired_by = $4
        WHERE integration_pk = $1 AND kind = $2 AND name = $3 AND active";
    FUNCTION_TOUCH = "UPDATE function SET created_at_us = $2, deployment_pk = $3 WHERE pk = $1";
    FUNCTION_DELETE = "
        UPDATE function SET active = FALSE, deleted_at_us = $2, retired_by = $3 WHERE pk = $1 AND active";
    FUNCTION_FIND = select!("
        WHERE f.integration_pk = $1 AND f.kind = $2 AND f.name = $3 AND f.active");
    FUNCTIONS_OF_INTEGRATION = select!("
        WHERE f.integration_pk = $1 AND f.active ORDER BY f.kind, f.name");
    FUNCTIONS_OF_ENVIRONMENT = select!("
        WHERE f.environment_pk = $1 AND f.active AND i.deleted_at_us IS NULL
        ORDER BY i.created_at_us, i.pk, f.kind, f.name");
    FUNCTIONS_OF_DEPLOYMENT = select!("
        WHERE f.environment_pk = $1 AND f.activated_by <= $2 AND (f.retired_by IS NULL OR f.retired_by > $2)
            AND i.deleted_at_us IS NULL
        ORDER BY i.created_at_us, i.pk, f.kind, f.name");
    FUNCTION_VERSIONS = select!("
        WHERE f.integration_pk = $1 AND f.kind = $2 AND f.name = $3 ORDER BY f.pk DESC LIMIT $4");
    FUNCTION_SCHEMA = "SELECT models_json_schema FROM function WHERE pk = $1";
    FUNCTION_CODE = "SELECT typescript FROM function WHERE pk = $1";
}

/// A function to store.
#[derive(Clone, Debug)]
pub struct NewFunction {
    pub pk: FunctionPk,
    pub environment: EnvironmentPk,
    pub integration: IntegrationPk,
    pub deployment: i64,
    pub kind: &'static str,
    pub name: String,
    pub version: String,
    pub bundle_hash: String,
    pub typescript: String,
    pub sdk_version: Option<String>,
    pub models: Vec<String>,
    pub input: Option<String>,
    /// JSON texts, as the other fields below that are `String`.
    pub models_json_schema: Option<String>,
    pub endpoints: String,
    pub features: Vec<String>,
    pub metadata: String,
    pub webhook_subscriptions: Vec<String>,
    pub runs: Option<String>,
    pub event: Option<String>,
    pub auto_start: bool,
    pub track_deletes: bool,
    pub sync_type: Option<String>,
    pub source: String,
    pub enabled: bool,
    pub created_at: Timestamp,
}

/// An active function, without its code.
#[derive(Clone, Debug)]
pub struct FunctionRow {
    pub pk: FunctionPk,
    pub environment: EnvironmentPk,
    pub integration: IntegrationPk,
    pub integration_key: String,
    pub provider: String,
    /// `sync`, `action` or `on-event`.
    pub kind: String,
    pub name: String,
    pub version: String,
    pub bundle_hash: String,
    pub sdk_version: Option<String>,
    pub models: Vec<String>,
    pub input: Option<String>,
    /// JSON texts, as the other fields below that are `String`.
    pub models_json_schema: Option<String>,
    pub endpoints: String,
    pub features: Vec<String>,
    pub metadata: String,
    pub webhook_subscriptions: Vec<String>,
    pub runs: Option<String>,
    pub event: Option<String>,
    pub auto_start: bool,
    pub track_deletes: bool,
    pub sync_type: Option<String>,
    pub source: String,
    pub enabled: bool,
    /// When it was last deployed.
    pub created_at: Timestamp,
    /// See [`source_hash`]; unknown for what was deployed long ago.
    pub typescript_hash: Option<String>,
    /// The deployments that made it active and put an end to that.
    pub activated_by: i64,
    pub retired_by: Option<i64>,
}

/// What tells two sources apart.
pub fn source_hash(typescript: &str) -> String {
    blake3::hash(typescript.as_bytes()).to_hex().to_string()
}

impl FunctionRow {
    fn from_row(row: &Row) -> Result<Self, StoreError> {
        let pk: FunctionPk = row.get(0)?;
        Ok(Self {
            pk,
            environment: row.get(1)?,
            integration: row.get(2)?,
            integration_key: row.get(3)?,
            provider: row.get(4)?,
            kind: row.get(5)?,
            name: row.get(6)?,
            version: row.get(7)?,
            bundle_hash: row.get(8)?,
            sdk_version: row.get(9)?,
            models: list(row, 10, pk, "models")?,
            input: row.get(11)?,
            models_json_schema: row.get(12)?,
            endpoints: row.get(13)?,
            features: list(row, 14, pk, "features")?,
            metadata: row.get(15)?,
            webhook_subscriptions: list(row, 16, pk, "webhook_subscriptions")?,
            runs: row.get(17)?,
            event: row.get(18)?,
            auto_start: row.get(19)?,
            track_deletes: row.get(20)?,
            sync_type: row.get(21)?,
            source: row.get(22)?,
            enabled: row.get(23)?,
            created_at: row.get(24)?,
            typescript_hash: row.get(25)?,
            activated_by: row.get::<Option<i64>>(26)?.unwrap_or_default(),
            retired_by: row.get(27)?,
        })
    }
}

/// A JSON list of texts in a column of `function`.
pub(super) fn list(
    row: &Row,
    position: usize,
    function: FunctionPk,
    column: &'static str,
) -> Result<Vec<String>, StoreError> {
    let text: String = row.get(position)?;
    serde_json::from_str(&text).map_err(|_| StoreError::Corrupt {
        table: "function",
        column,
        row: function.to_string(),
    })
}

fn json_list(texts: &[String]) -> String {
    serde_json::to_string(texts).expect("a list of texts is always JSON")
}

macro_rules! reads {
    ($type:ident) => {
        impl $type {
            /// The active function of that kind and name.
            pub async fn find_function(
                &self,
                integration: IntegrationPk,
                kind: &str,
                name: &str,
            ) -> Result<Option<FunctionRow>, StoreError> {
                self.find(&FUNCTION_FIND, params![integration, kind, name])
                    .await?
                    .map(|row| FunctionRow::from_row(&row))
                    .transpose()
            }

            /// All active functions of an integration, by kind and name.
            pub async fn functions_of_integration(
                &self,
                integration: IntegrationPk,
            ) -> Result<Vec<FunctionRow>, StoreError> {
                let rows = self
                    .query(&FUNCTIONS_OF_INTEGRATION, params![integration])
                    .await?;
                rows.iter().map(FunctionRow::from_row).collect()
            }

            /// The functions that were active when a deployment was through, by integration, kind and name.
            pub async fn functions_of_deployment(
                &self,
                environment: EnvironmentPk,
                deployment: i64,
            ) -> Result<Vec<FunctionRow>, StoreError> {
                let rows = self
                    .query(&FUNCTIONS_OF_DEPLOYMENT, params![environment, deployment])
                    .await?;
                rows.iter().map(FunctionRow::from_row).collect()
            }

            /// All active functions of an environment, by integration, kind and name.
            pub async fn functions_of_environment(
                &self,
                environment: EnvironmentPk,
            ) -> Result<Vec<FunctionRow>, StoreError> {
                let rows = self
                    .query(&FUNCTIONS_OF_ENVIRONMENT, params![environment])
                    .await?;
                rows.iter().map(FunctionRow::from_row).collect()
            }
        }
    };
}

reads!(Tx);
reads!(Reader);

impl Reader {
    /// The JavaScript of a bundle.
    pub async fn find_bundle(&self, hash: &str) -> Result<Option<Arc<str>>, StoreError> {
        self.find(&BUNDLE_FIND, params![hash])
            .await?
            .map(|row| row.get::<String>(0).map(Arc::from))
            .transpose()
    }

    /// Versions of a function, the newest first.
    pub async fn function_versions(
        &self,
        integration: IntegrationPk,
        kind: &str,
        name: &str,
        limit: i64,
    ) -> Result<Vec<FunctionRow>, StoreError> {
        let values = params![integration, kind, name, limit];
        let rows = self.query(&FUNCTION_VERSIONS, values).await?;
        rows.iter().map(FunctionRow::from_row).collect()
    }

    /// JSON Schemas of a function's models, as text; nothing if it was deployed without.
    pub async fn function_schema(
        &self,
        function: FunctionPk,
    ) -> Result<Option<String>, StoreError> {
        self.get(&FUNCTION_SCHEMA, params![function]).await?.get(0)
    }

    /// The TypeScript of a function as it was deployed.
    pub async fn function_code(&self, function: FunctionPk) -> Result<String, StoreError> {
        self.get(&FUNCTION_CODE, params![function]).await?.get(0)
    }
}

impl Tx {
    /// Stores a bundle, unless it is there.
    pub async fn insert_bundle(
        &self,
        hash: &str,
        javascript: &str,
        now: Timestamp,
    ) -> Result<(), StoreError> {
        self.execute(&BUNDLE_INSERT, params![hash, javascript, now])
            .await
            .map(|_| ())
    }

    /// Stores a function as the active one of its name; the one before becomes history.
    pub async fn insert_function(&self, new: &NewFunction) -> Result<(), StoreError> {
        self.execute(
            &FUNCTION_SUPERSEDE,
            params![new.integration, new.kind, &new.name, new.deployment],
        )
        .await?;
        let values = params![
            new.pk,
            new.environment,
            new.integration,
            new.deployment,
            new.kind,
            &new.name,
            &new.version,
            &new.bundle_hash,
            &new.typescript,
            new.sdk_version.clone(),
            json_list(&new.models),
            new.input.clone(),
            new.models_json_schema.clone(),
            &new.endpoints,
            json_list(&new.features),
            &new.metadata,
            json_list(&new.webhook_subscriptions),
            new.runs.clone(),
            new.event.clone(),
            new.auto_start,
            new.track_deletes,
            new.sync_type.clone(),
            &new.source,
            new.enabled,
            new.created_at,
            source_hash(&new.typescript),
        ];
        self.execute(&FUNCTION_INSERT, values).await.map(|_| ())
    }

    /// Notes that a function was deployed again as it is.
    pub async fn touch_function(
        &self,
        function: FunctionPk,
        deployment: i64,
        now: Timestamp,
    ) -> Result<(), StoreError> {
        self.execute(&FUNCTION_TOUCH, params![function, now, deployment])
            .await
            .map(|_| ())
    }

    /// Deletes a function as part of a deployment: it no longer runs; its versions stay as history.
    pub async fn delete_function(
        &self,
        function: FunctionPk,
        deployment: i64,
        now: Timestamp,
    ) -> Result<(), StoreError> {
        self.execute(&FUNCTION_DELETE, params![function, now, deployment])
            .await
            .map(|_| ())
    }
}
