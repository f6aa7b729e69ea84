//! SQL texts with names.

use std::sync::OnceLock;

/// One SQL text for both databases, with `$1`, `$2`, ... as parameters. Made by [`statements!`](crate::statements).
#[derive(Debug)]
pub struct Statement {
    /// Name for errors and for the test that prepares every statement on both databases.
    pub name: &'static str,
    /// Text for Postgres, and for SQLite unless `sqlite` is set; there `$n` becomes `?n`.
    pub text: &'static str,
    /// A text of its own for SQLite. Only `dialect.rs` files use it, with the reason beside it.
    pub sqlite: Option<&'static str>,
    numbered: OnceLock<String>,
}

impl Statement {
    /// A statement with one text.
    pub const fn new(name: &'static str, text: &'static str) -> Self {
        Self {
            name,
            text,
            sqlite: None,
            numbered: OnceLock::new(),
        }
    }

    /// A statement with a text for each database.
    pub const fn dialects(
        name: &'static str,
        postgres: &'static str,
        sqlite: &'static str,
    ) -> Self {
        Self {
            name,
            text: postgres,
            sqlite: Some(sqlite),
            numbered: OnceLock::new(),
        }
    }

    /// The text that SQLite sees. Plain SQLite numbers `$n` by first appearance, `?n` means what it says.
    pub fn sqlite_text(&self) -> &str {
        self.numbered
            .get_or_init(|| numbered(self.sqlite.unwrap_or(self.text)))
    }
}

/// Turns `$n` into `?n` outside of quotes.
fn numbered(text: &str) -> String {
    let mut quoted = false;
    let mut rest = text.chars().peekable();
    let mut result = String::with_capacity(text.len());
    while let Some(c) = rest.next() {
        quoted ^= c == '\'';
        let parameter = c == '$' && !quoted && rest.peek().is_some_and(char::is_ascii_digit);
        result.push(if parameter { '?' } else { c });
    }
    result
}

/// Declares statements and a list `ALL` of them. A second text after `, sqlite:` is SQLite's own (only in `dialect.rs`
/// files, with the reason beside it):
///
/// ```ignore
/// statements! {
///     FIND = "SELECT pk FROM connection WHERE connection_id = $1";
///     CLAIM = "... FOR UPDATE SKIP LOCKED", sqlite: "...";
/// }
/// ```
///
/// A module that declares statements is also named in [`registered`], so that a test prepares them on both databases.
#[macro_export]
macro_rules! statements {
    ($($(#[$doc:meta])* $name:ident = $text:expr $(, sqlite: $sqlite:expr)?;)*) => {
        $(
            $(#[$doc])*
            pub(crate) static $name: $crate::Statement =
                $crate::statements!(@one concat!(module_path!(), "::", stringify!($name)), $text $(, $sqlite)?);
        )*

        /// Every statement of this module, for the test that prepares them on both databases.
        pub(crate) static ALL: &[&$crate::Statement] = &[$(&$name),*];
    };
    (@one $name:expr, $text:expr) => { $crate::Statement::new($name, $text) };
    (@one $name:expr, $text:expr, $sqlite:expr) => { $crate::Statement::dialects($name, $text, $sqlite) };
}

/// Every statement of this crate. A module with `statements!` must be listed here; a test looks for others.
pub fn registered() -> impl Iterator<Item = &'static Statement> {
    [
        crate::auth::ALL,
        crate::connect_attempts::ALL,
        crate::connect_sessions::ALL,
        crate::connect_ui::ALL,
        crate::connections::statements::ALL,
        crate::delivery::ALL,
        crate::delivery::claim::ALL,
        crate::delivery::dialect::ALL,
        crate::delivery::feed::ALL,
        crate::delivery::finish::ALL,
        crate::delivery::list::ALL,
        crate::device_flows::ALL,
        crate::environments::ALL,
        crate::inbound::ALL,
        crate::inbound::dialect::ALL,
        crate::instance_key::ALL,
        crate::integrations::ALL,
        crate::migrations::ALL,
        crate::operations::ALL,
        crate::people::ALL,
        crate::records::dialect::ALL,
        crate::records::quarantine::ALL,
        crate::records::read::ALL,
        crate::records::retention::ALL,
        crate::records::rows::ALL,
        crate::records::seen::ALL,
        crate::revocations::ALL,
        crate::rotation::dialect::ALL,
        crate::rotation::environment::ALL,
        crate::rotation::instance::ALL,
        crate::rotation::places::ALL,
        crate::rotation::progress::ALL,
        crate::rotation::report::ALL,
        crate::seal::ALL,
        crate::trusted_issuers::ALL,
        crate::secret_reads::ALL,
        crate::transfer::ALL,
        crate::work::checkpoints::ALL,
        crate::work::deployments::ALL,
        crate::work::dialect::ALL,
        crate::work::functions::ALL,
        crate::work::jobs::ALL,
        crate::work::runs::ALL,
        crate::work::subjects::ALL,
        crate::work::syncs::ALL,
        crate::work::tasks::ALL,
    ]
    .into_iter()
    .flat_map(|list| list.iter().copied())
}

#[cfg(test)]
mod tests {
    use std::{collections::BTreeSet, path::Path};

    use super::{Statement, numbered, registered};

    #[test]
    fn every_module_with_statements_is_registered() {
        let mut found = BTreeSet::new();
        modules(
            Path::new(concat!(env!("CARGO_MANIFEST_DIR"), "/src")),
            "tenon_store",
            &mut found,
        );
        let known: BTreeSet<String> = registered()
            .filter_map(|statement| statement.name.rsplit_once("::"))
            .map(|(module, _)| module.to_owned())
            .collect();
        assert!(known.len() > 3);
        assert_eq!(found, known);
    }

    /// Adds the paths of the modules below `folder` that declare statements.
    fn modules(folder: &Path, module: &str, found: &mut BTreeSet<String>) {
        for entry in std::fs::read_dir(folder).unwrap() {
            let path = entry.unwrap().path();
            let stem = path.file_stem().unwrap().to_str().unwrap();
            let name = match stem {
                "mod" | "lib" => module.to_owned(),
                stem => format!("{module}::{stem}"),
            };
            if path.is_dir() {
                modules(&path, &name, found);
                continue;
            }
            let text = std::fs::read_to_string(&path).unwrap();
            let declares = |line: &str| {
                line.starts_with("statements! {") || line.starts_with("crate::statements! {")
            };
            if text.lines().any(declares) {
                found.insert(name);
            }
        }
    }

    #[test]
    fn parameters_are_numbered_for_sqlite() {
        let cases = [
            ("SELECT $2, $1", "SELECT ?2, ?1"),
            ("SELECT '$1', $12", "SELECT '$1', ?12"),
            ("SELECT 'it''s $1' || $1", "SELECT 'it''s $1' || ?1"),
        ];
        for (text, expected) in cases {
            assert_eq!(numbered(text), expected);
        }
        let own = Statement::dialects("test", "SELECT $1", "SELECT $1 + 1");
        assert_eq!(own.sqlite_text(), "SELECT ?1 + 1");
    }
}
