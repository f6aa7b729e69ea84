//! AWS KMS: its JSON API (`TrentService.Encrypt`, `TrentService.Decrypt`), signed with Signature Version 4.

use async_trait::async_trait;
use serde_json::{Value, json};
use tenon_core::{Secret, SharedClock};
use tenon_providers::{AwsCredentials, SigV4, SignedBody};
use tenon_store::{KeyVault, VaultError};
use url::Url;

use super::{base64, call::Service, instance_key};

/// Where the key is and who asks.
#[derive(Clone, Debug)]
pub struct AwsKmsOptions {
    /// `https://kms.<region>.amazonaws.com` unless it is elsewhere.
    pub url: Url,
    pub region: String,
    /// ARN, id or alias of a symmetric key.
    pub key: String,
    pub access_key_id: String,
    pub secret_access_key: Secret,
    pub session_token: Option<Secret>,
}

/// A key of AWS KMS.
pub struct AwsKms {
    service: Service,
    options: AwsKmsOptions,
    clock: SharedClock,
}

impl AwsKms {
    /// Asks nobody yet.
    pub fn new(options: AwsKmsOptions, clock: SharedClock) -> Self {
        Self {
            service: Service::new(options.url.clone()),
            options,
            clock,
        }
    }

    async fn ask(&self, action: &'static str, mut body: Value) -> Result<Value, VaultError> {
        body["KeyId"] = self.options.key.as_str().into();
        // Written into AWS' own audit trail, and wanted again for opening.
        body["EncryptionContext"] = json!({"purpose": "tenon instance key"});
        let headers = |body: &[u8]| self.signed(action, body);
        self.service.post(&self.options.url, &body, headers).await
    }

    fn signed(&self, action: &'static str, body: &[u8]) -> Vec<(&'static str, String)> {
        const CONTENT_TYPE: &str = "application/x-amz-json-1.1";
        let options = &self.options;
        let target = format!("TrentService.{action}");
        let host = match (options.url.host_str(), options.url.port()) {
            (Some(host), Some(port)) => format!("{host}:{port}"),
            (host, _) => host.unwrap_or_default().to_owned(),
        };
        let request = SigV4 {
            credentials: AwsCredentials {
                access_key_id: &options.access_key_id,
                secret_access_key: options.secret_access_key.expose(),
                session_token: options
                    .session_token
                    .as_ref()
                    .map(|token| token.expose().as_str()),
            },
            region: &options.region,
            service: "kms",
            method: "POST",
            host: &host,
            path: options.url.path(),
            query: "",
            headers: &[("content-type", CONTENT_TYPE), ("x-amz-target", &target)],
            body: SignedBody::Whole(body),
            now: self.clock.now(),
        };
        let mut headers = vec![
            ("content-type", CONTENT_TYPE.to_owned()),
            ("x-amz-date", request.date()),
            ("authorization", request.authorization()),
        ];
        let token = options.session_token.as_ref();
        headers.extend(token.map(|token| ("x-amz-security-token", token.expose().clone())));
        headers.push(("x-amz-target", target.clone()));
        headers
    }
}

#[async_trait]
impl KeyVault for AwsKms {
    fn place(&self) -> String {
        format!("the AWS KMS key `{}`", self.options.key)
    }

    async fn wrap(&self, key: &Secret<[u8; 32]>) -> Result<Vec<u8>, VaultError> {
        let body = json!({"Plaintext": base64(key.expose())});
        let answer = self.ask("Encrypt", body).await?;
        let blob = answer["CiphertextBlob"].as_str();
        let blob =
            blob.ok_or_else(|| VaultError("its answer holds no CiphertextBlob".to_owned()))?;
        Ok(blob.as_bytes().to_vec())
    }

    async fn unwrap(&self, wrapped: &[u8]) -> Result<Secret<[u8; 32]>, VaultError> {
        let blob = String::from_utf8_lossy(wrapped);
        let answer = self.ask("Decrypt", json!({"CiphertextBlob": blob})).await?;
        instance_key(answer["Plaintext"].as_str())
    }
}
