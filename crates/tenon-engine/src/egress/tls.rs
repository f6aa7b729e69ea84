//! TLS settings: the machine's trust store, aws-lc, optional client certificates.

use std::sync::Arc;

use rustls::{
    ClientConfig, RootCertStore,
    pki_types::{CertificateDer, PrivateKeyDer, pem::PemObject},
};
use rustls_platform_verifier::BuilderVerifierExt;

use super::{ClientIdentity, EgressError};

/// Settings for connections, with a client certificate if one is given.
pub(super) fn client_config(
    identity: Option<&ClientIdentity>,
) -> Result<ClientConfig, EgressError> {
    let provider = Arc::new(rustls::crypto::aws_lc_rs::default_provider());
    let builder = ClientConfig::builder_with_provider(Arc::clone(&provider))
        .with_safe_default_protocol_versions()
        .expect("aws-lc supports the default versions of TLS");
    let builder = match builder.with_platform_verifier() {
        Ok(builder) => builder,
        Err(error) => {
            // Without roots every https request fails as untrusted; plain http to allowed places still works.
            tracing::warn!("no trusted root certificates were found: {error}");
            ClientConfig::builder_with_provider(provider)
                .with_safe_default_protocol_versions()
                .expect("aws-lc supports the default versions of TLS")
                .with_root_certificates(RootCertStore::empty())
        }
    };
    let Some(identity) = identity else {
        return Ok(builder.with_no_client_auth());
    };
    let refused = |error: String| EgressError::ClientIdentity(error);
    let chain = CertificateDer::pem_slice_iter(identity.certificate.as_bytes())
        .collect::<Result<Vec<_>, _>>()
        .map_err(|error| refused(error.to_string()))?;
    let key = PrivateKeyDer::from_pem_slice(identity.key.expose().as_bytes())
        .map_err(|error| refused(error.to_string()))?;
    builder
        .with_client_auth_cert(chain, key)
        .map_err(|error| refused(error.to_string()))
}

/// Node's name for a failed handshake.
pub(super) fn tls_code(error: &rustls::Error) -> &'static str {
    use rustls::{CertificateError, Error};
    match error {
        Error::InvalidCertificate(
            CertificateError::Expired | CertificateError::ExpiredContext { .. },
        ) => "CERT_HAS_EXPIRED",
        Error::InvalidCertificate(CertificateError::UnknownIssuer) => {
            "UNABLE_TO_VERIFY_LEAF_SIGNATURE"
        }
        Error::InvalidCertificate(
            CertificateError::NotValidForName | CertificateError::NotValidForNameContext { .. },
        ) => "ERR_TLS_CERT_ALTNAME_INVALID",
        _ => "EPROTO",
    }
}
