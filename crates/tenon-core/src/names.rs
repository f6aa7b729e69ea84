//! The names that users see, checked once, and the database keys that they never see.

use serde::{Deserialize, Serialize};

macro_rules! pks {
    ($($(#[$doc:meta])* $name:ident;)*) => {$(
        $(#[$doc])*
        #[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
        #[serde(transparent)]
        pub struct $name(pub i64);

        impl std::fmt::Display for $name {
            fn fmt(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
                self.0.fmt(formatter)
            }
        }

        impl From<$name> for i64 {
            fn from(key: $name) -> Self {
                key.0
            }
        }
    )*};
}

pks! {
    /// Database key of an environment.
    EnvironmentPk;
    /// Database key of an integration.
    IntegrationPk;
    /// Database key of a connection; on the wire the integer `id` of a connection.
    ConnectionPk;
    /// Database key of a connect session.
    ConnectSessionPk;
    /// Database key of one version of a function.
    FunctionPk;
    /// Database key of a sync: connection x function name x variant.
    SyncPk;
    /// Database key of a schedule.
    SchedulePk;
    /// Database key of a task.
    TaskPk;
    /// Database key of a run; on the wire the integer job id.
    RunPk;
}

/// What is wrong with a name.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum NameError {
    /// Nothing there.
    #[error("must not be empty")]
    Empty,
    /// Longer than 255 characters.
    #[error("must be at most 255 characters")]
    TooLong,
    /// A character that is not allowed.
    #[error("may not contain `{0}`")]
    Character(char),
}

macro_rules! names {
    ($($(#[$doc:meta])* $name:ident($allowed:expr);)*) => {$(
        $(#[$doc])*
        #[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
        #[serde(try_from = "String", into = "String")]
        pub struct $name(String);

        impl $name {
            /// Checks and wraps a text.
            pub fn parse(text: &str) -> Result<Self, NameError> {
                let allowed: fn(char) -> bool = $allowed;
                check(text, allowed)?;
                Ok(Self(text.to_owned()))
            }

            /// The text.
            pub fn as_str(&self) -> &str {
                &self.0
            }
        }

        impl TryFrom<String> for $name {
            type Error = NameError;

            fn try_from(text: String) -> Result<Self, NameError> {
                Self::parse(&text)
            }
        }

        impl From<$name> for String {
            fn from(name: $name) -> Self {
                name.0
            }
        }

        impl std::fmt::Display for $name {
            fn fmt(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
                formatter.write_str(&self.0)
            }
        }
    )*};
}

names! {
    /// `connection_id`: chosen by the app, or a UUIDv4 (auth-and-proxy.md, 3.3).
    ConnectionId(is_connection_id_char);
    /// `provider_config_key`, also called `unique_key` (auth-and-proxy.md, 3.2).
    IntegrationKey(is_integration_key_char);
    /// Name of a catalogue entry (auth-and-proxy.md, 3.2).
    ProviderName(|c| c.is_ascii_alphanumeric() || "_-".contains(c));
}

/// Whether a character may stand in a `connection_id` of a path or query (auth-and-proxy.md, 3.3).
pub fn is_connection_id_char(c: char) -> bool {
    c.is_ascii_alphanumeric() || ",.;:=+~[]|@${}\"'\\/_ -".contains(c)
}

/// Whether a character may stand in a `provider_config_key` (auth-and-proxy.md, 3.2).
pub fn is_integration_key_char(c: char) -> bool {
    c.is_ascii_alphanumeric() || "~:.@ _-".contains(c)
}

impl ConnectionId {
    /// Wraps an id that an import brings, or that is stored already. The reference checks its characters only where it
    /// stands in a path or query, and takes even an empty one; longer than 255 characters or with NUL is refused.
    pub fn imported(text: &str) -> Result<Self, NameError> {
        if text.chars().count() > crate::limits::NAME_CHARS {
            return Err(NameError::TooLong);
        }
        if text.contains('\0') {
            return Err(NameError::Character('\0'));
        }
        Ok(Self(text.to_owned()))
    }
}

fn check(text: &str, allowed: fn(char) -> bool) -> Result<(), NameError> {
    if text.is_empty() {
        return Err(NameError::Empty);
    }
    if text.chars().count() > crate::limits::NAME_CHARS {
        return Err(NameError::TooLong);
    }
    text.chars()
        .find(|c| !allowed(*c))
        .map_or(Ok(()), |c| Err(NameError::Character(c)))
}
