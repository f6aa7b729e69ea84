//! Where the instance key is: at most one place, and everything that this place needs.

use std::path::PathBuf;

use tenon_core::Secret;
use url::Url;

use super::{ConfigError, Values, invalid};

/// Where the instance key comes from.
#[derive(Clone, Debug)]
pub(crate) enum InstanceKeyPlace {
    /// `instance.key` in the data directory, or the file that is named.
    File(Option<PathBuf>),
    /// `encryption_key`.
    Given(Secret<String>),
    /// What a command prints.
    Command(String),
    /// Wrapped by a key of a Vault transit engine.
    Vault(VaultKey),
    /// Wrapped by a key of AWS KMS.
    AwsKms(AwsKmsKey),
}

#[derive(Clone, Debug)]
pub(crate) struct VaultKey {
    pub url: Url,
    pub mount: String,
    pub key: String,
    pub token: Secret<String>,
    pub namespace: Option<String>,
}

#[derive(Clone, Debug)]
pub(crate) struct AwsKmsKey {
    pub url: Url,
    pub region: String,
    pub key: String,
    pub access_key_id: String,
    pub secret_access_key: Secret<String>,
    pub session_token: Option<Secret<String>>,
}

/// Keys that say where the instance key is.
const PLACES: [&str; 5] = [
    "encryption_key",
    "encryption_key_file",
    "encryption_key_command",
    "vault_key",
    "aws_kms_key",
];

pub(super) fn parse(raw: &Values) -> Result<InstanceKeyPlace, ConfigError> {
    let text = |key: &'static str| {
        let values = &raw.get(key)?.values;
        values.first().filter(|text| !text.is_empty()).cloned()
    };
    let given: Vec<&str> = PLACES
        .into_iter()
        .filter(|place| text(place).is_some())
        .collect();
    if let [first, second, ..] = given.as_slice() {
        return Err(ConfigError::Contradiction(format!(
            "`{first}` and `{second}` both say where the instance key is; keep one of them, and give the present key as \
             `previous_encryption_keys` while you change over"
        )));
    }
    let needed = |place: &str, key: &'static str| {
        text(key).ok_or_else(|| {
            ConfigError::Contradiction(format!(
                "`{place}` is set, and it needs `{key}`, which is not"
            ))
        })
    };
    match given.first().copied() {
        Some("encryption_key") => {
            let key = needed("encryption_key", "encryption_key")?;
            Ok(InstanceKeyPlace::Given(Secret::new(key)))
        }
        Some("encryption_key_command") => {
            let command = needed("encryption_key_command", "encryption_key_command")?;
            Ok(InstanceKeyPlace::Command(command))
        }
        Some("vault_key") => Ok(InstanceKeyPlace::Vault(VaultKey {
            url: url(raw, "vault_url", &needed("vault_key", "vault_url")?)?,
            mount: text("vault_mount").unwrap_or_else(|| "transit".to_owned()),
            key: needed("vault_key", "vault_key")?,
            token: Secret::new(needed("vault_key", "vault_token")?),
            namespace: text("vault_namespace"),
        })),
        Some("aws_kms_key") => {
            let region = needed("aws_kms_key", "aws_region")?;
            let default = format!("https://kms.{region}.amazonaws.com");
            Ok(InstanceKeyPlace::AwsKms(AwsKmsKey {
                url: url(raw, "aws_kms_url", &text("aws_kms_url").unwrap_or(default))?,
                region,
                key: needed("aws_kms_key", "aws_kms_key")?,
                access_key_id: needed("aws_kms_key", "aws_access_key_id")?,
                secret_access_key: Secret::new(needed("aws_kms_key", "aws_secret_access_key")?),
                session_token: text("aws_session_token").map(Secret::new),
            }))
        }
        Some(_) | None => Ok(InstanceKeyPlace::File(
            text("encryption_key_file").map(PathBuf::from),
        )),
    }
}

fn url(raw: &Values, key: &'static str, text: &str) -> Result<Url, ConfigError> {
    let url =
        Url::parse(text).map_err(|error| invalid(raw, key, &format!("is no URL: {error}")))?;
    if !matches!(url.scheme(), "http" | "https") || url.query().is_some() {
        return Err(invalid(raw, key, "must be an http(s) URL without query"));
    }
    Ok(url)
}
