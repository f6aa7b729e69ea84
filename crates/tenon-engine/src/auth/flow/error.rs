//! Why a flow ended, for the page, the popup and the webhook.

use tenon_providers::template::UrlError;
use tenon_store::StoreError;

use crate::auth::{entrance::EntranceError, request::TokenFailure};

/// What kind of failure (auth-and-proxy.md, 5.2).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum FlowErrorKind {
    AuthMode,
    Callback,
    GrantType,
    InvalidHmac,
    MissingHmac,
    ConnectionNotFound,
    ProviderConfig,
    State,
    StateCookie,
    /// Of the form `verified, but the provider did not accept it`.
    TestFailed,
    UrlParam,
    Validation,
    Unknown,
    /// Like `Unknown`, but the webhook says more.
    TokenAnswer,
}

impl FlowErrorKind {
    /// `error_type` on the socket, `errorType` in the popup.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::AuthMode => "auth_mode_err",
            Self::Callback => "callback_err",
            Self::GrantType => "grant_type_err",
            Self::InvalidHmac => "invalid_hmac",
            Self::MissingHmac => "missing_hmac",
            Self::ConnectionNotFound => "connection_not_found",
            Self::ProviderConfig => "provider_config_err",
            Self::State => "state_err",
            Self::StateCookie => "state_cookie_err",
            Self::TestFailed => "connection_test_failed",
            Self::UrlParam => "url_param_err",
            Self::Validation => "connection_validation_failed",
            Self::Unknown | Self::TokenAnswer => "unknown_err",
        }
    }

    /// `error.type` of the webhook.
    pub const fn webhook_type(self) -> &'static str {
        match self {
            Self::Callback => "invalid_callback",
            Self::TokenAnswer => "unable_to_parse_token_response",
            Self::Unknown => "unknown",
            other => other.as_str(),
        }
    }
}

/// Why a flow ended.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{message}")]
pub struct FlowError {
    pub kind: FlowErrorKind,
    /// May quote the provider: it is only ever shown as text.
    pub message: String,
}

impl FlowError {
    /// A failure and its words.
    pub fn new(kind: FlowErrorKind, message: impl Into<String>) -> Self {
        Self {
            kind,
            message: message.into(),
        }
    }
}

impl From<StoreError> for FlowError {
    /// Logged once, here; not shown.
    fn from(error: StoreError) -> Self {
        tracing::error!("a connect flow failed in the store: {error}");
        Self::new(
            FlowErrorKind::Unknown,
            "the connection could not be stored; please try again",
        )
    }
}

impl From<TokenFailure> for FlowError {
    fn from(failure: TokenFailure) -> Self {
        // An answer in good form, but without a token in it.
        let is_token_answer = failure.status == Some(200)
            && !matches!(
                failure.cause.as_str(),
                "not_json" | "empty_answer" | "not_an_object"
            );
        let kind = if is_token_answer {
            FlowErrorKind::TokenAnswer
        } else {
            FlowErrorKind::Unknown
        };
        Self::new(kind, failure.reason)
    }
}

impl From<UrlError> for FlowError {
    fn from(error: UrlError) -> Self {
        Self::new(
            FlowErrorKind::UrlParam,
            format!("the provider's address has {error}"),
        )
    }
}

impl From<EntranceError> for FlowError {
    fn from(error: EntranceError) -> Self {
        let error = match error {
            EntranceError::Store(error) => return Self::from(error),
            other => other,
        };
        let kind = match &error {
            EntranceError::MissingHmac => FlowErrorKind::MissingHmac,
            EntranceError::InvalidHmac => FlowErrorKind::InvalidHmac,
            EntranceError::UnknownIntegration(_)
            | EntranceError::UnknownProvider(_)
            | EntranceError::NotAllowed(_) => FlowErrorKind::ProviderConfig,
            EntranceError::WrongMode { .. } => FlowErrorKind::AuthMode,
            EntranceError::InvalidConnection => FlowErrorKind::ConnectionNotFound,
            EntranceError::Settings(_) => FlowErrorKind::UrlParam,
            EntranceError::Store(_) => FlowErrorKind::Unknown,
        };
        Self::new(kind, error.to_string())
    }
}
