//! Twin files with equal names, applied in order, each once.

use crate::statements;

/// One step of the schema.
pub(crate) struct Migration {
    pub(crate) name: &'static str,
    pub(crate) sqlite: &'static str,
    pub(crate) postgres: &'static str,
}

macro_rules! migrations {
    ($($name:literal),* $(,)?) => {
        &[$(Migration {
            name: $name,
            sqlite: include_str!(concat!("../migrations/sqlite/", $name, ".sql")),
            postgres: include_str!(concat!("../migrations/postgres/", $name, ".sql")),
        }),*]
    };
}

/// All steps, in order.
pub(crate) static MIGRATIONS: &[Migration] = migrations![
    "0001_environments",
    "0002_connections",
    "0003_auth",
    "0004_work",
    "0005_records",
    "0006_delivery",
    "0007_operations",
    "0008_people",
    "0009_inbound",
    "0010_function_modes",
    "0011_function_history",
    "0012_jobs",
    "0013_quarantine",
    "0014_delivery_indexes",
    "0015_key_rotation",
    "0016_device_flows",
    "0017_own_callback",
    "0018_trusted_issuers",
    "0019_secret_reads",
    "0020_revocations",
    "0021_connect_ui",
];

/// The table of steps done; the same text for both databases.
pub(crate) const VERSION_TABLE: &str = "
    CREATE TABLE schema_migration (
        name TEXT PRIMARY KEY,
        applied_at_us BIGINT NOT NULL
    )";

statements! {
    APPLIED = "SELECT name FROM schema_migration ORDER BY name";
    INSERT_APPLIED = "INSERT INTO schema_migration (name, applied_at_us) VALUES ($1, $2)";
}

/// The steps that a database still needs. Steps that this version does not know were made by a newer one; they only
/// add, so an older node works on beside them.
pub(crate) fn pending(applied: &[String]) -> impl Iterator<Item = &'static Migration> {
    for name in applied {
        if !MIGRATIONS.iter().any(|known| known.name == name) {
            tracing::warn!("the database has migration `{name}`, which a newer version made");
        }
    }
    MIGRATIONS
        .iter()
        .filter(|known| !applied.iter().any(|name| name == known.name))
}

#[cfg(test)]
mod tests {
    use super::MIGRATIONS;

    #[test]
    fn every_file_is_listed_in_order() {
        for database in ["sqlite", "postgres"] {
            let folder = concat!(env!("CARGO_MANIFEST_DIR"), "/migrations");
            let mut files: Vec<String> = std::fs::read_dir(format!("{folder}/{database}"))
                .unwrap()
                .map(|entry| entry.unwrap().file_name().into_string().unwrap())
                .collect();
            files.sort();
            let listed: Vec<String> = MIGRATIONS
                .iter()
                .map(|step| format!("{}.sql", step.name))
                .collect();
            assert_eq!(files, listed, "{database}");
        }
    }
}
