//! Which server is meant, and with which key.

use std::{
    collections::HashMap,
    path::{Path, PathBuf},
};

use serde::Deserialize;
use tenon_core::Secret;
use url::Url;

use super::dot_env;

/// Where `tenon dev` listens unless told otherwise.
const DEFAULT_URL: &str = "http://localhost:3003";

/// Which server a command talks to; shared by all that do.
#[derive(clap::Args, Debug, Clone)]
pub(crate) struct ServerArgs {
    /// Environment of the server
    #[arg(short = 'e', long, value_name = "NAME", default_value = "dev")]
    pub(crate) environment: String,
    /// Server to talk to; `NANGO_HOSTPORT` or a running `tenon dev` otherwise
    #[arg(long, value_name = "URL")]
    pub(crate) url: Option<String>,
}

impl ServerArgs {
    /// The server, looked for from a folder.
    pub(crate) fn target(&self, root: &Path) -> Result<Target, TargetError> {
        Target::find(root, &self.environment, self.url.as_deref())
    }
}

/// A server and the key of one of its environments.
#[derive(Clone, Debug)]
pub(crate) struct Target {
    /// Base URL, without a slash at the end.
    pub(crate) url: String,
    pub(crate) secret_key: Secret<String>,
}

/// Why no server could be chosen.
#[derive(Debug, thiserror::Error)]
pub(crate) enum TargetError {
    #[error("`{0}` is not the URL of a server")]
    Url(String),
    #[error(
        "no secret key for environment `{environment}`\nhint: set {variable} or NANGO_SECRET_KEY, in the environment or in .env, or run `tenon dev` in this folder"
    )]
    NoKey {
        environment: String,
        variable: String,
    },
}

impl Target {
    /// Flag, variables (the process' own before those of `.env`), then what a running `tenon dev` wrote down.
    pub(crate) fn find(
        root: &Path,
        environment: &str,
        url: Option<&str>,
    ) -> Result<Self, TargetError> {
        let variables = Variables::read(root);
        let dev = DevFile::find(root);
        Self::choose(environment, url, |name| variables.get(name), dev.as_ref())
    }

    fn choose(
        environment: &str,
        url: Option<&str>,
        variable: impl Fn(&str) -> Option<String>,
        dev: Option<&DevFile>,
    ) -> Result<Self, TargetError> {
        let given = url
            .map(str::to_owned)
            .or_else(|| variable("NANGO_HOSTPORT"));
        let url = match (&given, dev) {
            (Some(given), _) => normal(given)?,
            (None, Some(dev)) => normal(&dev.url)?,
            (None, None) => DEFAULT_URL.to_owned(),
        };
        let own = format!("NANGO_SECRET_KEY_{}", environment.to_uppercase());
        let key = variable(&own)
            .or_else(|| variable(&own.replace('-', "_")))
            .or_else(|| variable("NANGO_SECRET_KEY"))
            .map(Secret::new)
            // The key of a development server goes to that server only.
            .or_else(|| {
                dev.filter(|dev| normal(&dev.url).is_ok_and(|dev| dev == url))?
                    .key(environment)
            });
        match key {
            Some(secret_key) => Ok(Self { url, secret_key }),
            None => Err(TargetError::NoKey {
                environment: environment.to_owned(),
                variable: own.replace('-', "_"),
            }),
        }
    }

    /// Whether the server runs on this machine.
    pub(crate) fn is_loopback(&self) -> bool {
        let url = Url::parse(&self.url).ok();
        match url.as_ref().and_then(Url::host) {
            Some(url::Host::Domain(name)) => name == "localhost",
            Some(url::Host::Ipv4(address)) => address.is_loopback(),
            Some(url::Host::Ipv6(address)) => address.is_loopback(),
            None => false,
        }
    }
}

/// Whether a machine runs this, not a person.
pub(crate) fn in_ci() -> bool {
    variable("CI").is_some_and(|value| !matches!(value.as_str(), "" | "0" | "false"))
}

fn normal(url: &str) -> Result<String, TargetError> {
    let wrong = || TargetError::Url(url.to_owned());
    let parsed = Url::parse(url.trim()).map_err(|_| wrong())?;
    if !matches!(parsed.scheme(), "http" | "https") || parsed.host().is_none() {
        return Err(wrong());
    }
    Ok(parsed.as_str().trim_end_matches('/').to_owned())
}

/// Variables of the process and of the project's `.env`.
struct Variables {
    file: HashMap<String, String>,
}

impl Variables {
    fn read(root: &Path) -> Self {
        let text = std::fs::read_to_string(root.join(".env")).unwrap_or_default();
        Self {
            file: dot_env::parse(&text),
        }
    }

    fn get(&self, name: &str) -> Option<String> {
        let value = variable(name).or_else(|| self.file.get(name).cloned())?;
        (!value.is_empty()).then_some(value)
    }
}

#[expect(
    clippy::disallowed_methods,
    reason = "the names depend on the environment that is deployed to, so no configuration key can hold them"
)]
fn variable(name: &str) -> Option<String> {
    std::env::var(name).ok()
}

/// `dev.json` in the data directory of a development server.
#[derive(Deserialize)]
struct DevFile {
    url: String,
    #[serde(default)]
    environments: Vec<DevEnvironment>,
}

#[derive(Deserialize)]
struct DevEnvironment {
    name: String,
    secret_key: Secret<String>,
}

impl DevFile {
    /// Of the project's folder or the nearest one above.
    fn find(root: &Path) -> Option<Self> {
        let root: PathBuf = root.canonicalize().ok()?;
        root.ancestors().find_map(|folder| {
            let text = std::fs::read_to_string(folder.join(".tenon/dev.json")).ok()?;
            serde_json::from_str(&text).ok()
        })
    }

    fn key(&self, environment: &str) -> Option<Secret<String>> {
        self.environments
            .iter()
            .find(|candidate| candidate.name == environment)
            .map(|found| found.secret_key.clone())
    }
}

#[cfg(test)]
mod tests {
    use super::{DevFile, Target};

    fn dev() -> DevFile {
        serde_json::from_str(r#"{"url":"http://localhost:4000","environments":[{"name":"dev","uuid":"u","secret_key":"dev-key","public_key":"p"}]}"#).unwrap()
    }

    fn choose(
        environment: &str,
        url: Option<&str>,
        variables: &[(&str, &str)],
        dev: Option<&DevFile>,
    ) -> Result<(String, String), String> {
        let variable = |name: &str| {
            variables
                .iter()
                .find(|(known, _)| *known == name)
                .map(|(_, value)| (*value).to_owned())
        };
        match Target::choose(environment, url, variable, dev) {
            Ok(target) => Ok((target.url, target.secret_key.expose().clone())),
            Err(error) => Err(error.to_string()),
        }
    }

    fn pair(url: &str, key: &str) -> Result<(String, String), String> {
        Ok((url.to_owned(), key.to_owned()))
    }

    #[test]
    fn the_development_server_is_found() {
        assert_eq!(
            choose("dev", None, &[], Some(&dev())),
            pair("http://localhost:4000", "dev-key")
        );
    }

    #[test]
    fn variables_go_first() {
        let variables = [
            ("NANGO_SECRET_KEY", "any"),
            ("NANGO_SECRET_KEY_DEV", "own"),
            ("NANGO_HOSTPORT", "https://tenon.example/"),
        ];
        assert_eq!(
            choose("dev", None, &variables, Some(&dev())),
            pair("https://tenon.example", "own")
        );
        assert_eq!(
            choose("prod", Some("http://127.0.0.1:1"), &variables, Some(&dev())),
            pair("http://127.0.0.1:1", "any")
        );
    }

    #[test]
    fn a_development_key_never_goes_elsewhere() {
        let answer = choose("dev", Some("https://elsewhere.example"), &[], Some(&dev()));
        assert!(
            answer
                .unwrap_err()
                .starts_with("no secret key for environment `dev`")
        );
    }

    #[test]
    fn strange_urls_are_refused() {
        for url in ["localhost:3003", "ftp://x", "nonsense"] {
            assert!(choose("dev", Some(url), &[], None).is_err(), "{url}");
        }
    }
}
