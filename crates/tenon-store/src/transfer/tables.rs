//! What an export carries, table by table, in the order in which it is taken in.

use std::sync::LazyLock;

use bytes::Bytes;
use serde_json::{Map, Value};
use tenon_core::names::ConnectionPk;

use crate::{Param, Statement};

/// How a column is carried.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Kind {
    Int,
    Bool,
    Text,
    Bytes,
    /// Opened on the way out, sealed on the way in.
    Sealed,
}

pub(crate) type Column = (&'static str, Kind);

/// Whose key seals the values of a table.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum SealedFor {
    Environment,
    /// The connection in this column.
    Connection(&'static str),
}

struct Plan {
    name: &'static str,
    columns: &'static [Column],
    /// Columns that name a row, in the order of its index.
    key: &'static [&'static str],
    /// What belongs to environment `$1`; the table is `t`.
    of: &'static str,
    /// The row that must be there first: its table, and the column that names it.
    parent: Option<(&'static str, &'static str)>,
    sealed_for: SealedFor,
}

use Kind::{Bool, Bytes as Blob, Int, Sealed, Text};

const OF_ENVIRONMENT: &str = "t.environment_pk = $1";
const OF_CONNECTION: &str = "t.connection_pk IN (SELECT pk FROM connection WHERE environment_pk = $1 AND deleted_at_us IS NULL)";
const ENVIRONMENT: Option<(&str, &str)> = Some(("environment", "environment_pk"));
const CONNECTION: Option<(&str, &str)> = Some(("connection", "connection_pk"));

static PLANS: &[Plan] = &[
    Plan {
        name: "environment",
        columns: &[
            ("pk", Int),
            ("uuid", Text),
            ("name", Text),
            ("public_key", Text),
            ("webhook_signing_key", Sealed),
            ("hmac_key", Sealed),
            ("hmac_enabled", Bool),
            ("public_key_auth", Text),
            ("callback_url", Text),
            ("primary_url", Text),
            ("secondary_url", Text),
            ("on_sync_completion_always", Bool),
            ("on_auth_creation", Bool),
            ("on_auth_refresh_error", Bool),
            ("on_sync_error", Bool),
            ("on_async_action_completion", Bool),
            ("created_at_us", Int),
            ("updated_at_us", Int),
            ("egress_mode", Text),
            ("egress_hosts", Text),
            ("token_mode", Text),
            ("record_validation", Text),
            ("connect_ui", Text),
        ],
        key: &["pk"],
        of: "t.pk = $1",
        parent: None,
        sealed_for: SealedFor::Environment,
    },
    Plan {
        name: "api_key",
        columns: &[
            ("pk", Int),
            ("environment_pk", Int),
            ("name", Text),
            ("lookup", Blob),
            ("sealed", Sealed),
            ("scopes", Text),
            ("created_at_us", Int),
            ("last_used_at_us", Int),
        ],
        key: &["pk"],
        of: OF_ENVIRONMENT,
        parent: ENVIRONMENT,
        sealed_for: SealedFor::Environment,
    },
    Plan {
        name: "environment_variable",
        columns: &[
            ("pk", Int),
            ("environment_pk", Int),
            ("name", Text),
            ("sealed_value", Sealed),
        ],
        key: &["pk"],
        of: OF_ENVIRONMENT,
        parent: ENVIRONMENT,
        sealed_for: SealedFor::Environment,
    },
    Plan {
        name: "integration",
        columns: &[
            ("pk", Int),
            ("environment_pk", Int),
            ("unique_key", Text),
            ("provider", Text),
            ("display_name", Text),
            ("forward_webhooks", Bool),
            ("client_id", Text),
            ("secrets", Sealed),
            ("scopes", Text),
            ("app_link", Text),
            ("integration_config", Text),
            ("created_at_us", Int),
            ("updated_at_us", Int),
            ("own_callback", Bool),
            ("deleted_at_us", Int),
        ],
        key: &["pk"],
        of: OF_ENVIRONMENT,
        parent: ENVIRONMENT,
        sealed_for: SealedFor::Environment,
    },
    Plan {
        name: "trusted_issuer",
        columns: &[
            ("pk", Int),
            ("environment_pk", Int),
            ("issuer", Text),
            ("audience", Text),
            ("jwks_url", Text),
            ("user_claim", Text),
            ("public_clients", Bool),
            ("created_at_us", Int),
        ],
        key: &["pk"],
        of: OF_ENVIRONMENT,
        parent: ENVIRONMENT,
        sealed_for: SealedFor::Environment,
    },
    Plan {
        name: "connection",
        columns: &[
            ("pk", Int),
            ("environment_pk", Int),
            ("integration_pk", Int),
            ("connection_id", Text),
            ("provider", Text),
            ("auth_mode", Text),
            ("credentials", Sealed),
            ("credentials_expires_at_us", Int),
            ("connection_config", Text),
            ("metadata", Text),
            ("tags", Text),
            ("end_user", Text),
            ("webhook_url_override", Text),
            ("last_fetched_at_us", Int),
            ("last_refresh_success_us", Int),
            ("last_refresh_failure_us", Int),
            ("refresh_attempts", Int),
            ("refresh_exhausted", Bool),
            ("auth_error", Text),
            ("credentials_version", Int),
            ("created_at_us", Int),
            ("updated_at_us", Int),
        ],
        key: &["pk"],
        of: "t.environment_pk = $1 AND t.deleted_at_us IS NULL",
        parent: Some(("integration", "integration_pk")),
        sealed_for: SealedFor::Connection("pk"),
    },
    Plan {
        name: "connection_lookup",
        columns: &[
            ("environment_pk", Int),
            ("integration_pk", Int),
            ("kind", Text),
            ("path", Text),
            ("value", Text),
            ("connection_pk", Int),
        ],
        key: &["environment_pk", "kind", "path", "value", "connection_pk"],
        of: OF_ENVIRONMENT,
        parent: CONNECTION,
        sealed_for: SealedFor::Environment,
    },
    Plan {
        name: "bundle",
        columns: &[("hash", Text), ("javascript", Text), ("created_at_us", Int)],
        key: &["hash"],
        of: "t.hash IN (SELECT bundle_hash FROM function WHERE environment_pk = $1)",
        parent: None,
        sealed_for: SealedFor::Environment,
    },
    Plan {
        name: "deployment",
        columns: &[
            ("pk", Int),
            ("environment_pk", Int),
            ("mode", Text),
            ("sdk_version", Text),
            ("source", Text),
            ("summary", Text),
            ("created_at_us", Int),
        ],
        key: &["pk"],
        of: OF_ENVIRONMENT,
        parent: ENVIRONMENT,
        sealed_for: SealedFor::Environment,
    },
    Plan {
        name: "function",
        columns: &[
            ("pk", Int),
            ("environment_pk", Int),
            ("integration_pk", Int),
            ("deployment_pk", Int),
            ("kind", Text),
            ("name", Text),
            ("version", Text),
            ("bundle_hash", Text),
            ("typescript", Text),
            ("sdk_version", Text),
            ("models", Text),
            ("input", Text),
            ("models_json_schema", Text),
            ("endpoints", Text),
            ("features", Text),
            ("metadata", Text),
            ("webhook_subscriptions", Text),
            ("runs", Text),
            ("event", Text),
            ("auto_start", Bool),
            ("track_deletes", Bool),
            ("sync_type", Text),
            ("source", Text),
            ("enabled", Bool),
            ("active", Bool),
            ("created_at_us", Int),
            ("deleted_at_us", Int),
            ("activated_by", Int),
            ("retired_by", Int),
            ("typescript_hash", Text),
        ],
        key: &["pk"],
        of: OF_ENVIRONMENT,
        parent: Some(("integration", "integration_pk")),
        sealed_for: SealedFor::Environment,
    },
    Plan {
        name: "sync",
        columns: &[
            ("pk", Int),
            ("id", Text),
            ("environment_pk", Int),
            ("connection_pk", Int),
            ("name", Text),
            ("variant", Text),
            ("frequency_override", Text),
            ("last_sync_at_us", Int),
            ("created_at_us", Int),
        ],
        key: &["pk"],
        of: "t.environment_pk = $1 AND t.deleted_at_us IS NULL",
        parent: CONNECTION,
        sealed_for: SealedFor::Environment,
    },
    // Without the task under way, which stays where it runs: the schedule goes on from its next start.
    Plan {
        name: "schedule",
        columns: &[
            ("pk", Int),
            ("environment_pk", Int),
            ("sync_pk", Int),
            ("state", Text),
            ("starts_at_us", Int),
            ("frequency_us", Int),
            ("next_at_us", Int),
        ],
        key: &["pk"],
        of: "t.environment_pk = $1 AND t.state <> 'DELETED'",
        parent: Some(("sync", "sync_pk")),
        sealed_for: SealedFor::Environment,
    },
    Plan {
        name: "checkpoint",
        columns: &[
            ("connection_pk", Int),
            ("key", Text),
            ("value", Text),
            ("version", Int),
            ("updated_at_us", Int),
        ],
        key: &["connection_pk", "key"],
        of: OF_CONNECTION,
        parent: CONNECTION,
        sealed_for: SealedFor::Environment,
    },
    Plan {
        name: "model_head",
        columns: &[
            ("connection_pk", Int),
            ("model", Text),
            ("environment_pk", Int),
            ("last_us", Int),
            ("batches", Int),
            ("records", Int),
            ("size_bytes", Int),
            ("sync_pk", Int),
            ("pruned_us", Int),
            ("check_us", Int),
            ("doomed", Bool),
        ],
        key: &["connection_pk", "model"],
        of: OF_ENVIRONMENT,
        parent: CONNECTION,
        sealed_for: SealedFor::Environment,
    },
    Plan {
        name: "record",
        columns: &[
            ("connection_pk", Int),
            ("model", Text),
            ("external_id", Text),
            ("id", Blob),
            ("hash", Blob),
            ("payload", Sealed),
            ("size_bytes", Int),
            ("created_at_us", Int),
            ("updated_at_us", Int),
            ("deleted_at_us", Int),
            ("pruned_at_us", Int),
            ("sync_pk", Int),
        ],
        key: &["connection_pk", "model", "external_id"],
        of: OF_CONNECTION,
        parent: CONNECTION,
        sealed_for: SealedFor::Connection("connection_pk"),
    },
    Plan {
        name: "unannounced",
        columns: &[
            ("sync_pk", Int),
            ("model", Text),
            ("added", Int),
            ("updated", Int),
            ("deleted", Int),
            ("since_us", Int),
        ],
        key: &["sync_pk", "model"],
        of: "t.sync_pk IN (SELECT pk FROM sync WHERE environment_pk = $1 AND deleted_at_us IS NULL)",
        parent: Some(("sync", "sync_pk")),
        sealed_for: SealedFor::Environment,
    },
];

/// A table with its statements.
pub(crate) struct Table {
    pub(crate) name: &'static str,
    pub(crate) columns: &'static [Column],
    pub(crate) key: &'static [&'static str],
    sealed_for: SealedFor,
    /// `$1` environment, `$2` rows.
    pub(crate) first: Statement,
    /// `$1` environment, `$2` rows, then the key of the last row.
    pub(crate) next: Statement,
    pub(crate) known: Statement,
    pub(crate) insert: Statement,
    /// The statement that looks for the parent, and the column that names it.
    pub(crate) parent: Option<(Statement, &'static str)>,
}

/// Every table that is carried. The texts follow from the plans, so they are written once, when first asked for.
pub(crate) static TABLES: LazyLock<Vec<Table>> =
    LazyLock::new(|| PLANS.iter().map(Table::of).collect());

impl Table {
    fn of(plan: &Plan) -> Self {
        let names: Vec<&str> = plan.columns.iter().map(|(name, _)| *name).collect();
        let select: Vec<String> = names.iter().map(|name| format!("t.{name}")).collect();
        let (select, table, of) = (select.join(", "), plan.name, plan.of);
        let keys: Vec<String> = plan.key.iter().map(|key| format!("t.{key}")).collect();
        let keys = keys.join(", ");
        let numbered = |first: usize, count: usize| {
            let numbers: Vec<String> = (first..first + count).map(|n| format!("${n}")).collect();
            numbers.join(", ")
        };
        let after = numbered(3, plan.key.len());
        let known: Vec<String> = plan
            .key
            .iter()
            .enumerate()
            .map(|(at, key)| format!("{key} = ${}", at + 1))
            .collect();
        let columns = names.join(", ");
        let values = numbered(1, names.len());
        Self {
            name: plan.name,
            columns: plan.columns,
            key: plan.key,
            sealed_for: plan.sealed_for,
            first: statement(format!(
                "SELECT {select} FROM {table} t WHERE {of} ORDER BY {keys} LIMIT $2"
            )),
            next: statement(format!(
                "SELECT {select} FROM {table} t WHERE {of} AND ({keys}) > ({after}) ORDER BY {keys} LIMIT $2"
            )),
            known: statement(format!(
                "SELECT 1 FROM {table} WHERE {}",
                known.join(" AND ")
            )),
            insert: statement(format!(
                "INSERT INTO {table} ({columns}) VALUES ({values}) ON CONFLICT DO NOTHING"
            )),
            parent: plan.parent.map(|(parent, column)| {
                let text = format!("SELECT 1 FROM {parent} WHERE pk = $1");
                (statement(text), column)
            }),
        }
    }

    /// The key of a row, as parameters.
    pub(crate) fn key_of(&self, row: &Map<String, Value>) -> Vec<Param> {
        let kind = |key: &str| {
            let found = self.columns.iter().find(|(name, _)| *name == key);
            found.map_or(Int, |(_, kind)| *kind)
        };
        self.key
            .iter()
            .map(|key| match kind(key) {
                Text => Param::Text(row.get(*key).and_then(Value::as_str).map(str::to_owned)),
                _ => Param::Int(row.get(*key).and_then(Value::as_i64)),
            })
            .collect()
    }

    /// Whose key seals the values of a row, and the name of the row as the seal has it.
    pub(crate) fn seal_of(&self, row: &Map<String, Value>) -> (Option<ConnectionPk>, String) {
        let int = |column: &str| row.get(column).and_then(Value::as_i64);
        let connection = match self.sealed_for {
            SealedFor::Environment => None,
            SealedFor::Connection(column) => int(column).map(ConnectionPk),
        };
        if self.name == "record" {
            let id: Option<Bytes> = super::bytes(row, "id");
            let id = id.and_then(|id| uuid::Uuid::from_slice(&id).ok());
            return (connection, id.unwrap_or_default().to_string());
        }
        (connection, int("pk").unwrap_or_default().to_string())
    }
}

/// A statement whose text is made once and kept as long as the process lives.
fn statement(text: String) -> Statement {
    let text: &'static str = Box::leak(text.into_boxed_str());
    Statement::new(text, text)
}
