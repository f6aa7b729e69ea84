//! The transit engine of Vault and its relatives (`/v1/<mount>/encrypt|decrypt/<key>`).

use async_trait::async_trait;
use serde_json::json;
use tenon_core::Secret;
use tenon_store::{KeyVault, VaultError};
use url::Url;

use super::{base64, call::Service, instance_key};

/// Where the key is and who asks.
#[derive(Clone, Debug)]
pub struct TransitOptions {
    /// Base URL of the server.
    pub url: Url,
    /// `transit` unless it is mounted elsewhere.
    pub mount: String,
    pub key: String,
    pub token: Secret,
    pub namespace: Option<String>,
}

/// A key of a transit engine.
pub struct Transit {
    service: Service,
    options: TransitOptions,
}

impl Transit {
    /// Asks nobody yet.
    pub fn new(options: TransitOptions) -> Self {
        Self {
            service: Service::new(options.url.clone()),
            options,
        }
    }

    async fn ask(
        &self,
        doing: &str,
        body: &serde_json::Value,
        wanted: &str,
    ) -> Result<String, VaultError> {
        let mut url = self.options.url.clone();
        let strange = |()| VaultError("its URL cannot have a path".to_owned());
        url.path_segments_mut()
            .map_err(strange)?
            .pop_if_empty()
            .push("v1")
            .extend(self.options.mount.split('/'))
            .push(doing)
            .push(&self.options.key);
        let headers = |_: &[u8]| {
            let mut headers = vec![
                ("content-type", "application/json".to_owned()),
                ("x-vault-request", "true".to_owned()),
                ("x-vault-token", self.options.token.expose().clone()),
            ];
            headers.extend(
                self.options
                    .namespace
                    .clone()
                    .map(|name| ("x-vault-namespace", name)),
            );
            headers
        };
        let answer = self.service.post(&url, body, headers).await?;
        let found = answer["data"][wanted].as_str();
        found
            .map(str::to_owned)
            .ok_or_else(|| VaultError(format!("its answer holds no {wanted}")))
    }
}

#[async_trait]
impl KeyVault for Transit {
    fn place(&self) -> String {
        let TransitOptions {
            url, mount, key, ..
        } = &self.options;
        let host = url.host_str().unwrap_or_default();
        format!("the Vault key `{mount}/{key}` at `{host}`")
    }

    async fn wrap(&self, key: &Secret<[u8; 32]>) -> Result<Vec<u8>, VaultError> {
        let body = json!({"plaintext": base64(key.expose())});
        let wrapped = self.ask("encrypt", &body, "ciphertext").await?;
        Ok(wrapped.into_bytes())
    }

    async fn unwrap(&self, wrapped: &[u8]) -> Result<Secret<[u8; 32]>, VaultError> {
        let text = String::from_utf8_lossy(wrapped);
        let body = json!({"ciphertext": text});
        let plain = self.ask("decrypt", &body, "plaintext").await?;
        instance_key(Some(&plain))
    }
}
