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

/// Why the handshake failed, for people.
pub(super) fn tls_detail(error: &rustls::Error) -> String {
    use rustls::{AlertDescription as Alert, CertificateError, Error};
    let of_ours = "; it does not take our client certificate, or wants one";
    let certificate = match error {
        Error::InvalidCertificate(certificate) => certificate,
        Error::AlertReceived(
            alert @ (Alert::CertificateRequired
            | Alert::BadCertificate
            | Alert::UnsupportedCertificate
            | Alert::CertificateUnknown
            | Alert::CertificateExpired
            | Alert::CertificateRevoked
            | Alert::UnknownCA
            | Alert::AccessDenied),
        ) => return format!("the server refused the connection ({alert:?}){of_ours}"),
        other => return other.to_string(),
    };
    let what = match certificate {
        CertificateError::UnknownIssuer => {
            "comes from an authority that this machine does not trust; if it should, add the authority to the machine's \
             certificates"
        }
        CertificateError::Expired | CertificateError::ExpiredContext { .. } => "has expired",
        CertificateError::NotValidYet | CertificateError::NotValidYetContext { .. } => {
            "is not valid yet; is the clock of this machine right?"
        }
        CertificateError::NotValidForName | CertificateError::NotValidForNameContext { .. } => {
            return format!("the server's certificate is another's: {certificate}");
        }
        other => return format!("the server's certificate cannot be used: {other}"),
    };
    format!("the server's certificate {what}")
}

#[cfg(test)]
mod tests {
    use rustls::{AlertDescription, CertificateError, Error};

    use super::{tls_code, tls_detail};

    #[test]
    fn a_failed_handshake_says_what_to_look_at() {
        let certificate = Error::InvalidCertificate;
        let cases = [
            (
                certificate(CertificateError::UnknownIssuer),
                "UNABLE_TO_VERIFY_LEAF_SIGNATURE",
                "does not trust",
            ),
            (
                certificate(CertificateError::Expired),
                "CERT_HAS_EXPIRED",
                "certificate has expired",
            ),
            (
                certificate(CertificateError::NotValidYet),
                "EPROTO",
                "clock",
            ),
            (
                certificate(CertificateError::NotValidForName),
                "ERR_TLS_CERT_ALTNAME_INVALID",
                "another's",
            ),
            (
                certificate(CertificateError::Revoked),
                "EPROTO",
                "cannot be used",
            ),
            (
                Error::AlertReceived(AlertDescription::UnknownCA),
                "EPROTO",
                "our client certificate",
            ),
            (
                Error::AlertReceived(AlertDescription::ProtocolVersion),
                "EPROTO",
                "alert",
            ),
        ];
        for (error, code, says) in cases {
            let detail = tls_detail(&error);
            assert_eq!(tls_code(&error), code, "{detail}");
            assert!(detail.contains(says), "{detail}");
        }
    }
}
