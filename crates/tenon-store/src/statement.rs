//! SQL texts with names.

/// One SQL text for both databases, with `$1`, `$2`, ... as parameters.
#[derive(Debug)]
pub struct Statement {
    /// Name for errors and for the test that prepares every statement on both databases.
    pub name: &'static str,
    /// Text for Postgres, and for SQLite unless `sqlite` is set; there `$n` becomes `?n`.
    pub text: &'static str,
    /// A text of its own for SQLite. Only `dialect.rs` files use it, with the reason beside it.
    pub sqlite: Option<&'static str>,
}

/// Declares statements and a list `ALL` of them:
///
/// ```ignore
/// statements! {
///     FIND = "SELECT pk FROM connection WHERE connection_id = $1";
/// }
/// ```
#[macro_export]
macro_rules! statements {
    ($($(#[$doc:meta])* $name:ident = $text:expr;)*) => {
        $(
            $(#[$doc])*
            pub(crate) static $name: $crate::Statement =
                $crate::Statement { name: concat!(module_path!(), "::", stringify!($name)), text: $text, sqlite: None };
        )*

        /// Every statement of this module, for the test that prepares them on both databases.
        pub(crate) static ALL: &[&$crate::Statement] = &[$(&$name),*];
    };
}
