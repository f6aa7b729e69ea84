//! Where values come from: flags, variables and a file, in this order, then defaults. What they mean is not known here.

use std::{
    collections::BTreeMap,
    fmt,
    path::{Path, PathBuf},
};

use super::{
    ConfigError, ServerFlags,
    keys::{KEYS, Key},
};

/// The values of all keys that have one.
pub(super) type Values = BTreeMap<&'static str, Raw>;

/// A value with its origin.
#[derive(Clone, Debug)]
pub(super) struct Raw {
    pub(super) values: Vec<String>,
    pub(super) origin: Origin,
}

/// Where a value came from.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Origin {
    Flag,
    Variable(&'static str),
    File(PathBuf),
    Default,
}

impl fmt::Display for Origin {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Flag => formatter.write_str("flag"),
            Self::Variable(name) => write!(formatter, "variable {name}"),
            Self::File(path) => write!(formatter, "{}", path.display()),
            Self::Default => formatter.write_str("default"),
        }
    }
}

/// What the layers say of each key.
pub(super) fn values(
    flags: &ServerFlags,
    file: &FileLayer,
    variable: &dyn Fn(&str) -> Option<String>,
) -> Values {
    let flags = flag_values(flags);
    let resolved = KEYS
        .iter()
        .filter_map(|key| Some((key.name, resolve(key, &flags, file, variable)?)));
    resolved.collect()
}

fn resolve(
    key: &Key,
    flags: &BTreeMap<&'static str, Vec<String>>,
    file: &FileLayer,
    variable: &dyn Fn(&str) -> Option<String>,
) -> Option<Raw> {
    if let Some(values) = flags.get(key.name) {
        return Some(Raw {
            values: values.clone(),
            origin: Origin::Flag,
        });
    }
    for name in key.variables {
        if let Some(text) = variable(name) {
            return Some(Raw {
                values: split_list(key.name, &text),
                origin: Origin::Variable(name),
            });
        }
    }
    if let Some(values) = file.values.get(key.name) {
        return Some(Raw {
            values: values.clone(),
            origin: Origin::File(file.path.clone()),
        });
    }
    key.default.map(|text| Raw {
        values: split_list(key.name, text),
        origin: Origin::Default,
    })
}

fn split_list(key: &str, text: &str) -> Vec<String> {
    if matches!(
        key,
        "providers" | "allow_egress" | "previous_encryption_keys" | "connect_api_url"
    ) {
        return text
            .split(',')
            .map(str::trim)
            .filter(|item| !item.is_empty())
            .map(str::to_owned)
            .collect();
    }
    vec![text.to_owned()]
}

fn flag_values(flags: &ServerFlags) -> BTreeMap<&'static str, Vec<String>> {
    let mut values = BTreeMap::new();
    let single = [
        ("data_dir", &flags.data_dir),
        ("host", &flags.host),
        ("port", &flags.port),
        ("public_url", &flags.public_url),
        ("connect_port", &flags.connect_port),
        ("connect_texts", &flags.connect_texts),
        ("database_url", &flags.database_url),
        ("rate_limit", &flags.rate_limit),
        ("webhook_rate_limit", &flags.webhook_rate_limit),
    ];
    for (name, value) in single {
        if let Some(value) = value {
            values.insert(name, vec![value.clone()]);
        }
    }
    for (name, list) in [
        ("providers", &flags.providers),
        ("allow_egress", &flags.allow_egress),
        ("connect_api_url", &flags.connect_api_url),
    ] {
        if !list.is_empty() {
            values.insert(name, list.clone());
        }
    }
    if flags.no_demo {
        values.insert("demo", vec!["false".to_owned()]);
    }
    values
}

/// The values of `tenon.toml`.
#[derive(Debug, Default)]
pub(super) struct FileLayer {
    path: PathBuf,
    pub(super) values: BTreeMap<String, Vec<String>>,
}

impl FileLayer {
    pub(super) fn read(path: Option<&Path>) -> Result<Self, ConfigError> {
        let chosen = path.unwrap_or_else(|| Path::new("tenon.toml"));
        match std::fs::read_to_string(chosen) {
            Ok(text) => Self::parse(chosen, &text),
            Err(error) if path.is_none() && error.kind() == std::io::ErrorKind::NotFound => {
                Ok(Self::default())
            }
            Err(error) => Err(ConfigError::File {
                path: chosen.to_owned(),
                detail: error.to_string(),
            }),
        }
    }

    pub(super) fn parse(path: &Path, text: &str) -> Result<Self, ConfigError> {
        let table: toml::Table =
            text.parse()
                .map_err(|error: toml::de::Error| ConfigError::File {
                    path: path.to_owned(),
                    detail: error.to_string(),
                })?;
        let mut values = BTreeMap::new();
        for (key, value) in table {
            if !KEYS.iter().any(|known| known.name == key) {
                return Err(ConfigError::UnknownKey {
                    path: path.to_owned(),
                    key,
                });
            }
            let list = match value {
                toml::Value::Array(items) => items.iter().map(plain_text).collect(),
                single => vec![plain_text(&single)],
            };
            values.insert(key, list);
        }
        Ok(Self {
            path: path.to_owned(),
            values,
        })
    }
}

fn plain_text(value: &toml::Value) -> String {
    value
        .as_str()
        .map_or_else(|| value.to_string(), str::to_owned)
}

/// An environment variable, for the few commands that need one of their own.
#[expect(
    clippy::disallowed_methods,
    reason = "this module owns the environment"
)]
pub(crate) fn variable(name: &str) -> Option<String> {
    std::env::var(name).ok()
}
