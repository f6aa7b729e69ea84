//! From a provider file to typed entries.

use serde_json::{Map, Value};

use crate::Provider;

/// Why a provider file cannot be used.
#[derive(Debug, thiserror::Error)]
pub enum LoadError {
    /// The file cannot be read.
    #[error("cannot read provider file `{file}`")]
    Unreadable {
        file: String,
        #[source]
        source: std::io::Error,
    },
    /// The file is no YAML, or not a map of entries.
    #[error("provider file `{file}` is no map from provider names to entries: {reason}")]
    NotAMap { file: String, reason: String },
    /// A name that cannot be used in URLs and keys.
    #[error(
        "provider file `{file}`: `{name}` is no provider name: use letters, digits, `_` and `-`"
    )]
    Name { file: String, name: String },
    /// `alias` names nothing, or leads back to the entry itself.
    #[error(
        "provider file `{file}`: `{name}` is an alias of `{alias}`, which does not exist or leads back to it"
    )]
    Alias {
        file: String,
        name: String,
        alias: String,
    },
    /// A key holds something that makes no sense.
    #[error("provider file `{file}`: `{name}`: `{key}`: {reason}")]
    Key {
        file: String,
        name: String,
        key: String,
        reason: String,
    },
}

/// Types one expanded entry. The error is the key and what is wrong with it.
pub(crate) fn typed(name: &str, raw: Map<String, Value>) -> Result<Provider, (String, String)> {
    let value = Value::Object(raw);
    let mut provider: Provider = serde_path_to_error::deserialize(&value)
        .map_err(|error| (error.path().to_string(), error.inner().to_string()))?;
    let Value::Object(raw) = value else {
        unreachable!("it was made from an object two lines above")
    };
    name.clone_into(&mut provider.name);
    provider.raw = raw;
    Ok(provider)
}

/// An entry on top of the one that it is an alias of: keys are replaced whole, `null` takes a key away.
pub(crate) fn merged(base: &Map<String, Value>, own: Map<String, Value>) -> Map<String, Value> {
    let mut raw = base.clone();
    for (key, value) in own {
        if value.is_null() {
            raw.shift_remove(&key);
        } else {
            raw.insert(key, value);
        }
    }
    raw
}
