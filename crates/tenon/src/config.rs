//! The configuration: flags > environment > `tenon.toml` > defaults, parsed once.
//!
//! Every key stands, explained, in `tenon.default.toml`; a test loads it. Only [`layers`] reads environment variables.

mod instance_key;
mod keys;
mod layers;

use std::path::PathBuf;

use clap::Args;
use tenon_core::Secret;

pub(crate) use instance_key::InstanceKeyPlace;
use keys::KEYS;
pub(crate) use layers::variable;
use layers::{FileLayer, Origin, Values};

/// Flags that `dev`, `serve` and `config` share.
#[derive(Args, Debug, Clone, Default)]
pub(crate) struct ServerFlags {
    /// Folder for the database, keys and logs
    #[arg(long, value_name = "DIR")]
    pub data_dir: Option<String>,
    /// Address to listen on
    #[arg(long, value_name = "ADDRESS")]
    pub host: Option<String>,
    /// Port of the API and the pages
    #[arg(long, value_name = "PORT")]
    pub port: Option<String>,
    /// What the world sees: base of callback URLs and links
    #[arg(long, value_name = "URL")]
    pub public_url: Option<String>,
    /// Second port that serves the Connect UI at `/`; 0 turns it off
    #[arg(long, value_name = "PORT")]
    pub connect_port: Option<String>,
    /// Folder with language files of the Connect UI (`sv.json`); see docs/reference/connect-ui.md
    #[arg(long, value_name = "FOLDER")]
    pub connect_texts: Option<String>,
    /// Another address of this API that the Connect UI may be told to talk to; repeatable
    #[arg(long, value_name = "URL")]
    pub connect_api_url: Vec<String>,
    /// postgres://… instead of the embedded SQLite
    #[arg(long, value_name = "URL")]
    pub database_url: Option<String>,
    /// Provider file in Nango's format; repeatable; an entry with a known name replaces ours whole
    #[arg(long, value_name = "FILE")]
    pub providers: Vec<String>,
    /// Address range that outgoing requests may reach although it is private; repeatable
    #[arg(long, value_name = "CIDR")]
    pub allow_egress: Vec<String>,
    /// Requests per minute and account; off by default
    #[arg(long, value_name = "N")]
    pub rate_limit: Option<String>,
    /// Webhooks per minute that providers may send to one integration; off by default
    #[arg(long, value_name = "N")]
    pub webhook_rate_limit: Option<String>,
    /// Leave the demo helpdesk out (`dev` only)
    #[arg(long)]
    pub no_demo: bool,
    /// Configuration file; `tenon.toml` in the working folder by default
    #[arg(long, value_name = "FILE")]
    pub config: Option<PathBuf>,
}

/// The effective configuration of a server.
#[derive(Clone, Debug)]
pub(crate) struct Config {
    pub data_dir: PathBuf,
    pub host: String,
    pub port: u16,
    /// As given; by default `http://localhost:<port>`.
    pub public_url: String,
    /// Null when off.
    pub connect_port: Option<u16>,
    pub connect_url: String,
    pub connect_texts: Option<PathBuf>,
    pub connect_api_urls: Vec<String>,
    pub database_url: Option<Secret<String>>,
    pub instance_key: InstanceKeyPlace,
    /// Readable beside it.
    pub previous_encryption_keys: Vec<Secret<String>>,
    pub providers: Vec<PathBuf>,
    pub allow_egress: Vec<String>,
    pub rate_limit: Option<u32>,
    pub webhook_rate_limit: Option<u32>,
    pub demo: bool,
    pub workers: usize,
    pub log: String,
    pub log_json: bool,
    pub node: Option<String>,
    raw: Values,
}

/// Why the configuration does not hold.
#[derive(Debug, thiserror::Error)]
pub(crate) enum ConfigError {
    #[error("cannot read `{path}`: {detail}")]
    File { path: PathBuf, detail: String },
    #[error("`{path}` has a key `{key}` that is not known; `tenon config` lists the keys")]
    UnknownKey { path: PathBuf, key: String },
    #[error("`{key}` from {origin} {problem}")]
    Value {
        key: &'static str,
        origin: Origin,
        problem: String,
    },
    #[error("{0}")]
    Contradiction(String),
}

impl Config {
    /// Reads all layers.
    pub(crate) fn load(flags: &ServerFlags) -> Result<Self, ConfigError> {
        let file = FileLayer::read(flags.config.as_deref())?;
        Self::from_layers(flags, &file, &variable)
    }

    fn from_layers(
        flags: &ServerFlags,
        file: &FileLayer,
        variable: &dyn Fn(&str) -> Option<String>,
    ) -> Result<Self, ConfigError> {
        Self::parse(layers::values(flags, file, variable))
    }

    fn parse(raw: Values) -> Result<Self, ConfigError> {
        let text = |key: &'static str| raw.get(key).and_then(|raw| raw.values.first()).cloned();
        let list = |key: &'static str| {
            raw.get(key)
                .map(|raw| raw.values.clone())
                .unwrap_or_default()
        };
        let port: u16 = number(&raw, "port")?.unwrap_or(3003);
        let connect_port = match number::<u16>(&raw, "connect_port")? {
            Some(0) | None => None,
            Some(_)
                if port != 3003
                    && raw
                        .get("connect_port")
                        .is_some_and(|raw| raw.origin == Origin::Default) =>
            {
                None
            }
            other => other,
        };
        if connect_port == Some(port) {
            return Err(ConfigError::Contradiction(format!(
                "`port` and `connect_port` are both {port}; leave `connect_port` out, the Connect UI is at /connect-ui too"
            )));
        }
        let public_url = match text("public_url") {
            Some(url) => base_url(&raw, "public_url", &url)?,
            None => format!("http://localhost:{port}"),
        };
        let connect_url = match text("connect_url") {
            Some(url) => base_url(&raw, "connect_url", &url)?,
            None => format!("{public_url}/connect-ui"),
        };
        let database_url = text("database_url").filter(|url| !url.is_empty());
        if let Some(url) = &database_url
            && !url.starts_with("postgres://")
            && !url.starts_with("postgresql://")
        {
            return Err(invalid(
                &raw,
                "database_url",
                "must start with postgres:// (SQLite needs no URL)",
            ));
        }
        let log_json = match text("log_format").as_deref() {
            Some("json") => true,
            Some("text") | None => false,
            Some(_) => return Err(invalid(&raw, "log_format", "must be text or json")),
        };
        let demo = match text("demo").as_deref() {
            Some("true" | "1" | "yes" | "on") | None => true,
            Some("false" | "0" | "no" | "off") => false,
            Some(_) => return Err(invalid(&raw, "demo", "must be true or false")),
        };
        let workers = number(&raw, "workers")?.unwrap_or(2);
        if workers == 0 {
            return Err(invalid(&raw, "workers", "must be at least 1"));
        }
        Ok(Self {
            data_dir: PathBuf::from(text("data_dir").unwrap_or_default()),
            host: text("host").unwrap_or_default(),
            port,
            public_url,
            connect_port,
            connect_url,
            connect_texts: text("connect_texts")
                .filter(|folder| !folder.is_empty())
                .map(PathBuf::from),
            connect_api_urls: list("connect_api_url")
                .iter()
                .map(|url| base_url(&raw, "connect_api_url", url))
                .collect::<Result<_, _>>()?,
            database_url: database_url.map(Secret::new),
            instance_key: instance_key::parse(&raw)?,
            previous_encryption_keys: list("previous_encryption_keys")
                .into_iter()
                .map(Secret::new)
                .collect(),
            providers: list("providers").into_iter().map(PathBuf::from).collect(),
            allow_egress: list("allow_egress"),
            rate_limit: number(&raw, "rate_limit")?,
            webhook_rate_limit: number(&raw, "webhook_rate_limit")?,
            demo,
            workers,
            log: text("log").unwrap_or_default(),
            log_json,
            node: text("node"),
            raw,
        })
    }

    /// Key, printable value and origin of every key that has a value.
    pub(crate) fn explain(&self) -> Vec<(&'static str, String, String)> {
        KEYS.iter()
            .filter_map(|key| {
                let raw = self.raw.get(key.name)?;
                let value = if raw.values.is_empty() {
                    String::new()
                } else if key.secret {
                    "***".to_owned()
                } else {
                    raw.values.join(", ")
                };
                Some((key.name, value, raw.origin.to_string()))
            })
            .collect()
    }
}

fn invalid(raw: &Values, key: &'static str, problem: &str) -> ConfigError {
    let origin = raw
        .get(key)
        .map_or(Origin::Default, |raw| raw.origin.clone());
    ConfigError::Value {
        key,
        origin,
        problem: problem.to_owned(),
    }
}

fn number<T: std::str::FromStr>(raw: &Values, key: &'static str) -> Result<Option<T>, ConfigError> {
    let Some(text) = raw.get(key).and_then(|raw| raw.values.first()) else {
        return Ok(None);
    };
    if text.is_empty() {
        return Ok(None);
    }
    text.parse().map(Some).map_err(|_| {
        invalid(
            raw,
            key,
            &format!("is `{text}`, which is not a number in range"),
        )
    })
}

fn base_url(raw: &Values, key: &'static str, text: &str) -> Result<String, ConfigError> {
    let url = url::Url::parse(text)
        .map_err(|error| invalid(raw, key, &format!("is not a URL: {error}")))?;
    if !matches!(url.scheme(), "http" | "https")
        || url.query().is_some()
        || url.fragment().is_some()
    {
        return Err(invalid(raw, key, "must be an http(s) URL without query"));
    }
    Ok(text.trim_end_matches('/').to_owned())
}

#[cfg(test)]
mod tests {
    use std::path::Path;

    use super::{Config, FileLayer, KEYS, ServerFlags};

    fn none(_: &str) -> Option<String> {
        None
    }

    #[test]
    fn every_key_stands_in_the_default_file() {
        let text = include_str!("../tenon.default.toml");
        let uncommented: String = text
            .lines()
            .map(|line| line.strip_prefix("#: ").unwrap_or(line))
            .collect::<Vec<_>>()
            .join("\n");
        let file = FileLayer::parse(Path::new("tenon.default.toml"), &uncommented).unwrap();
        for key in KEYS {
            assert!(
                file.values.contains_key(key.name),
                "`{}` is missing in tenon.default.toml",
                key.name
            );
        }
    }

    #[test]
    fn flags_win_over_variables_over_file() {
        let file = FileLayer::parse(
            Path::new("tenon.toml"),
            "port = 1\nhost = \"a\"\ndata_dir = \"f\"",
        )
        .unwrap();
        let variables = |name: &str| match name {
            "TENON_PORT" => Some("2".to_owned()),
            "TENON_HOST" => Some("b".to_owned()),
            _ => None,
        };
        let flags = ServerFlags {
            port: Some("3".to_owned()),
            ..ServerFlags::default()
        };
        let config = Config::from_layers(&flags, &file, &variables).unwrap();
        assert_eq!(
            (
                config.port,
                config.host.as_str(),
                config.data_dir.to_str().unwrap()
            ),
            (3, "b", "f")
        );
        assert_eq!(config.public_url, "http://localhost:3");
        assert_eq!(
            config.connect_port, None,
            "the second listener is off when the port is not the default one"
        );
    }

    #[test]
    fn a_wrong_value_names_its_origin() {
        let variables = |name: &str| (name == "TENON_PORT").then(|| "99999".to_owned());
        let error = Config::from_layers(&ServerFlags::default(), &FileLayer::default(), &variables)
            .unwrap_err();
        assert_eq!(
            error.to_string(),
            "`port` from variable TENON_PORT is `99999`, which is not a number in range"
        );
        let flags = ServerFlags {
            database_url: Some("mysql://x".to_owned()),
            ..ServerFlags::default()
        };
        assert!(Config::from_layers(&flags, &FileLayer::default(), &none).is_err());
    }

    #[test]
    fn faults_17_one_place_for_the_instance_key_and_all_that_it_needs() {
        let config = |variables: &[(&str, &str)]| {
            let variable = |name: &str| {
                let found = variables.iter().find(|(known, _)| *known == name);
                found.map(|(_, value)| (*value).to_owned())
            };
            Config::from_layers(&ServerFlags::default(), &FileLayer::default(), &variable)
        };
        let refused = [
            (
                vec![("TENON_ENCRYPTION_KEY", "a"), ("TENON_VAULT_KEY", "b")],
                "`encryption_key` and `vault_key` both say",
            ),
            (
                vec![
                    ("NANGO_ENCRYPTION_KEY", "a"),
                    ("TENON_ENCRYPTION_KEY_FILE", "b"),
                ],
                "`encryption_key` and `encryption_key_file` both say",
            ),
            (
                vec![
                    ("TENON_VAULT_KEY", "b"),
                    ("VAULT_ADDR", "https://vault:8200"),
                ],
                "`vault_key` is set, and it needs `vault_token`",
            ),
            (
                vec![
                    ("TENON_AWS_KMS_KEY", "alias/tenon"),
                    ("AWS_ACCESS_KEY_ID", "a"),
                ],
                "`aws_kms_key` is set, and it needs `aws_region`",
            ),
        ];
        for (variables, sentence) in refused {
            let error = config(&variables).unwrap_err().to_string();
            assert!(error.starts_with(sentence), "{error}");
        }
        let kms = config(&[
            ("TENON_AWS_KMS_KEY", "alias/tenon"),
            ("AWS_REGION", "eu-central-1"),
            ("AWS_ACCESS_KEY_ID", "a"),
            ("AWS_SECRET_ACCESS_KEY", "hidden"),
        ])
        .unwrap();
        let super::InstanceKeyPlace::AwsKms(key) = &kms.instance_key else {
            panic!("another place");
        };
        assert_eq!(key.url.as_str(), "https://kms.eu-central-1.amazonaws.com/");
        assert!(
            kms.explain()
                .iter()
                .all(|(_, value, _)| !value.contains("hidden"))
        );
        // Variables of other tools alone decide nothing.
        let file = config(&[("VAULT_ADDR", "https://vault:8200"), ("AWS_REGION", "x")]).unwrap();
        assert!(matches!(
            file.instance_key,
            super::InstanceKeyPlace::File(None)
        ));
    }

    #[test]
    fn two_listeners_on_one_port_are_a_contradiction() {
        let flags = ServerFlags {
            connect_port: Some("3003".to_owned()),
            ..ServerFlags::default()
        };
        let error = Config::from_layers(&flags, &FileLayer::default(), &none).unwrap_err();
        assert!(error.to_string().contains("both 3003"), "{error}");
    }

    #[test]
    fn an_unknown_key_in_the_file_is_refused() {
        assert!(FileLayer::parse(Path::new("tenon.toml"), "prot = 1").is_err());
    }
}
