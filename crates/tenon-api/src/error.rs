//! How failure looks on the wire (auth-and-proxy.md, 1.3).

use axum::{
    Json,
    http::{HeaderValue, StatusCode, header},
    response::{IntoResponse, Response},
};
use serde::Serialize;
use serde_json::{Map, Value, json};
use tenon_store::StoreError;

macro_rules! codes {
    ($($name:ident = $text:literal,)*) => {
        /// Machine-readable reason of a failure.
        #[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
        pub enum ErrorCode {
            $(#[doc = concat!("`", $text, "`")] $name,)*
        }

        impl ErrorCode {
            /// The word on the wire.
            pub const fn as_str(self) -> &'static str {
                match self {
                    $(Self::$name => $text,)*
                }
            }
        }
    };
}

codes! {
    // Requests
    InvalidBody = "invalid_body",
    InvalidQueryParams = "invalid_query_params",
    InvalidUriParams = "invalid_uri_params",
    InvalidHeaders = "invalid_headers",
    InvalidJson = "invalid_json",
    InvalidContentType = "invalid_content_type",
    InvalidCliVersion = "invalid_cli_version",
    RequestTooLarge = "request_too_large",
    NotFound = "not_found",
    MethodNotAllowed = "method_not_allowed",
    Conflict = "conflict",
    TooManyRequest = "too_many_request",
    FeatureDisabled = "feature_disabled",
    ServerError = "server_error",
    GenericErrorSupport = "generic_error_support",
    ServiceUnavailable = "service_unavailable",
    // Who calls
    MissingAuthHeader = "missing_auth_header",
    MalformedAuthHeader = "malformed_auth_header",
    UnknownAccount = "unknown_account",
    InvalidSecretKeyFormat = "invalid_secret_key_format",
    InvalidConnectSessionTokenFormat = "invalid_connect_session_token_format",
    UnknownConnectSessionToken = "unknown_connect_session_token",
    MissingPublicKey = "missing_public_key",
    InvalidPublicKey = "invalid_public_key",
    DeprecatedAuthentication = "deprecated_authentication",
    Forbidden = "forbidden",
    MissingHmac = "missing_hmac",
    InvalidHmac = "invalid_hmac",
    // Integrations and connections
    MissingProviderConfig = "missing_provider_config",
    MissingProviderConfigKey = "missing_provider_config_key",
    UnknownProviderConfig = "unknown_provider_config",
    UnknownProviderTemplate = "unknown_provider_template",
    DuplicateProviderConfig = "duplicate_provider_config",
    InvalidAuthMode = "invalid_auth_mode",
    WrongAuthMode = "wrong_auth_mode",
    IntegrationNotAllowed = "integration_not_allowed",
    InvalidConnection = "invalid_connection",
    UnknownConnection = "unknown_connection",
    UnknownEnvironment = "unknown_environment",
    ConnectionTestFailed = "connection_test_failed",
    ConnectionValidationFailed = "connection_validation_failed",
    ResourceCapped = "resource_capped",
    InvalidCredentials = "invalid_credentials",
    ConnectionRefreshExhausted = "connection_refresh_exhausted",
    ConnectionRefreshBackoff = "connection_refresh_backoff",
    RefreshTokenExternalError = "refresh_token_external_error",
    // Parameters of older calls
    MissingClientId = "missing_client_id",
    MissingClientSecret = "missing_client_secret",
    MissingAccessToken = "missing_access_token",
    MissingExpiresAt = "missing_expires_at",
    InvalidExpiresAt = "invalid_expires_at",
    MissingApiKey = "missing_api_key",
    MissingBasicUsername = "missing_basic_username",
    MissingAppId = "missing_app_id",
    MissingInstallationId = "missing_installation_id",
    MissingOauthToken = "missing_oauth_token",
    MissingOauthTokenSecret = "missing_oauth_token_secret",
    MissingTokenUrl = "missing_token_url",
    MissingParam = "missing_param",
    // Token requests
    DeviceFlowUnsupported = "device_flow_unsupported",
    RequestTokenExternalError = "request_token_external_error",
    ClientCredentialsFetchError = "client_credentials_fetch_error",
    TwoStepCredentialsFetchError = "two_step_credentials_fetch_error",
    InvalidTwoStepCredentials = "invalid_two_step_credentials",
    SignatureTokenGenerationError = "signature_token_generation_error",
    UnsupportedSignatureProtocol = "unsupported_signature_protocol",
    MissingAwsSigv4Config = "missing_aws_sigv4_config",
    MissingAwsSigv4Service = "missing_aws_sigv4_service",
    MissingAwsSigv4StsEndpoint = "missing_aws_sigv4_sts_endpoint",
    MissingAwsSigv4BuiltinCredentials = "missing_aws_sigv4_builtin_credentials",
    MissingAwsSigv4Region = "missing_aws_sigv4_region",
    MissingAwsSigv4RoleArn = "missing_aws_sigv4_role_arn",
    InvalidAwsSigv4Config = "invalid_aws_sigv4_config",
    AwsSigv4StsRequestFailed = "aws_sigv4_sts_request_failed",
    // Proxy
    BaseUrlOverrideNotAllowed = "base_url_override_not_allowed",
    MissingBaseApiUrl = "missing_base_api_url",
    MissingApiUrl = "missing_api_url",
    UnknownProvider = "unknown_provider",
    UnsupportedAuth = "unsupported_auth",
    InvalidCertificateOrKeyFormat = "invalid_certificate_or_key_format",
    // Functions
    UnknownSync = "unknown_sync",
    NoSyncsFound = "no_syncs_found",
    InvalidVariant = "invalid_variant",
    SyncVariantAlreadyExists = "sync_variant_already_exists",
    ActionScriptFailure = "action_script_failure",
    ActionScriptRuntimeError = "action_script_runtime_error",
    ScriptHttpError = "script_http_error",
    ScriptInternalError = "script_internal_error",
    ScriptAborted = "script_aborted",
    UnknownAction = "unknown_action",
    ActionOutputTooBig = "action_output_too_big",
    ConcurrentDeployment = "concurrent_deployment",
    DeployScriptSecurityRejected = "deploy_script_security_rejected",
    AmbiguousFunction = "ambiguous_function",
    CompilationError = "compilation_error",
    IntegrationNotFound = "integration_not_found",
    ConnectionNotFound = "connection_not_found",
    DryrunNotFound = "dryrun_not_found",
    DeploymentNotFound = "deployment_not_found",
    ExecutionEnvironmentUnavailable = "execution_environment_unavailable",
}

/// When to come back to a database that is away: soon, since most outages of one are a restart.
const RETRY_AFTER_S: u64 = 1;

/// One thing that is wrong with a request, named like zod 4 names it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Issue {
    pub code: &'static str,
    pub message: String,
    pub path: Vec<String>,
}

impl Issue {
    /// An issue of a rule that has no name of its own.
    pub fn custom(path: &[&str], message: impl Into<String>) -> Self {
        Self {
            code: "custom",
            message: message.into(),
            path: path.iter().map(|part| (*part).to_owned()).collect(),
        }
    }
}

/// A failure on its way to the caller.
#[derive(Clone, Debug)]
pub struct ApiError {
    pub status: StatusCode,
    pub code: &'static str,
    pub message: Option<String>,
    pub errors: Vec<Issue>,
    pub retry_after_s: Option<u64>,
    /// More members of the `error` object: `payload`, `additional_properties`, `upstream`, ... Boxed, because failures
    /// travel through every `Result` of the handlers.
    members: Option<Box<Map<String, Value>>>,
    /// What went wrong inside: logged once, never shown.
    chain: Option<Box<str>>,
}

/// Marks an answer whose cause is to be logged under a support id.
#[derive(Clone, Debug)]
pub(crate) struct InternalCause(pub(crate) String);

/// Marks an answer that other origins may not read: the reference refuses bodies that are no JSON before it looks at
/// origins.
#[derive(Clone, Copy, Debug)]
pub(crate) struct SameOriginOnly;

impl ApiError {
    /// A failure with a message, taken from an error of ours.
    pub fn new(status: StatusCode, code: ErrorCode, message: impl std::fmt::Display) -> Self {
        Self {
            message: Some(message.to_string()),
            ..Self::bare(status, code)
        }
    }

    /// A failure that says only its code.
    pub fn bare(status: StatusCode, code: ErrorCode) -> Self {
        Self::with_code(status, code.as_str())
    }

    /// A failure whose code comes from elsewhere, for instance from a function.
    pub fn with_code(status: StatusCode, code: &'static str) -> Self {
        Self {
            status,
            code,
            message: None,
            errors: Vec::new(),
            retry_after_s: None,
            members: None,
            chain: None,
        }
    }

    /// 400 with a message.
    pub fn bad_request(code: ErrorCode, message: impl std::fmt::Display) -> Self {
        Self::new(StatusCode::BAD_REQUEST, code, message)
    }

    /// 400 `invalid_body` with a message instead of issues.
    pub fn invalid_body(message: impl std::fmt::Display) -> Self {
        Self::bad_request(ErrorCode::InvalidBody, message)
    }

    /// 400 with issues.
    pub fn invalid(code: ErrorCode, errors: Vec<Issue>) -> Self {
        Self {
            errors,
            ..Self::bare(StatusCode::BAD_REQUEST, code)
        }
    }

    /// 404 `not_found` with a message.
    pub fn not_found(message: impl std::fmt::Display) -> Self {
        Self::new(StatusCode::NOT_FOUND, ErrorCode::NotFound, message)
    }

    /// A failure in the older form, with an empty `payload`.
    pub fn old(status: StatusCode, code: ErrorCode, message: impl std::fmt::Display) -> Self {
        Self::new(status, code, message).payload(json!({}))
    }

    /// A failure of ours: the chain of causes is logged once under a support id, the caller sees only the id. If the
    /// database is away or full for now, the caller is told to come back.
    pub fn internal(error: &(dyn std::error::Error + 'static)) -> Self {
        let mut chain = error.to_string();
        let mut store = error.downcast_ref::<StoreError>();
        let mut source = error.source();
        while let Some(cause) = source {
            chain.push_str(": ");
            chain.push_str(&cause.to_string());
            store = store.or_else(|| cause.downcast_ref());
            source = cause.source();
        }
        let status = match store {
            Some(StoreError::Unavailable(_)) => StatusCode::SERVICE_UNAVAILABLE,
            Some(StoreError::DiskFull) => StatusCode::INSUFFICIENT_STORAGE,
            _ => return Self::internal_text(chain),
        };
        Self {
            retry_after_s: Some(RETRY_AFTER_S),
            chain: Some(chain.into()),
            ..Self::bare(status, ErrorCode::ServiceUnavailable)
        }
    }

    /// Like [`ApiError::internal`], where the cause is a text.
    pub fn internal_text(cause: impl Into<String>) -> Self {
        Self {
            chain: Some(cause.into().into_boxed_str()),
            ..Self::bare(
                StatusCode::INTERNAL_SERVER_ERROR,
                ErrorCode::GenericErrorSupport,
            )
        }
    }

    /// Adds a payload.
    #[must_use]
    pub fn payload(self, payload: Value) -> Self {
        self.member("payload", payload)
    }

    /// Adds a member to the `error` object.
    #[must_use]
    pub fn member(mut self, name: &str, value: Value) -> Self {
        self.members
            .get_or_insert_default()
            .insert(name.to_owned(), value);
        self
    }

    fn body(&self) -> Value {
        let mut error = Map::new();
        error.insert("code".to_owned(), self.code.into());
        if let Some(message) = &self.message {
            error.insert("message".to_owned(), message.as_str().into());
        }
        if !self.errors.is_empty() {
            error.insert("errors".to_owned(), json!(self.errors));
        }
        if let Some(members) = &self.members {
            error.extend(members.as_ref().clone());
        }
        json!({ "error": error })
    }
}

impl IntoResponse for ApiError {
    fn into_response(self) -> Response {
        let mut response = (self.status, Json(self.body())).into_response();
        if let Some(seconds) = self.retry_after_s {
            response
                .headers_mut()
                .insert(header::RETRY_AFTER, HeaderValue::from(seconds));
        }
        if self.code == ErrorCode::InvalidJson.as_str() {
            response.extensions_mut().insert(SameOriginOnly);
        }
        if let Some(chain) = self.chain {
            response
                .extensions_mut()
                .insert(InternalCause(chain.into_string()));
        }
        response
    }
}

impl From<StoreError> for ApiError {
    fn from(error: StoreError) -> Self {
        Self::internal(&error)
    }
}

#[cfg(test)]
mod tests {
    use super::{ApiError, ErrorCode, Issue};
    use axum::http::StatusCode;

    #[test]
    fn the_envelope_holds_only_what_is_known() {
        let bare = ApiError::bare(StatusCode::BAD_REQUEST, ErrorCode::InvalidAuthMode);
        assert_eq!(
            bare.body().to_string(),
            r#"{"error":{"code":"invalid_auth_mode"}}"#
        );

        let issues = vec![Issue::custom(&["a", "0"], "no")];
        let invalid = ApiError::invalid(ErrorCode::InvalidBody, issues);
        assert_eq!(
            invalid.body().to_string(),
            r#"{"error":{"code":"invalid_body","errors":[{"code":"custom","message":"no","path":["a","0"]}]}}"#
        );
    }

    #[test]
    fn faults_9_a_database_that_is_away_is_worth_another_try() {
        use tenon_engine::records::RecordsError;
        use tenon_store::StoreError;

        let away = || StoreError::Unavailable("connection refused by 10.0.0.7".to_owned());
        let cases = [
            (ApiError::from(away()), 503, Some(1)),
            (
                ApiError::internal(&RecordsError::Store(away())),
                503,
                Some(1),
            ),
            (ApiError::from(StoreError::DiskFull), 507, Some(1)),
            (
                ApiError::from(StoreError::Missing { statement: "s" }),
                500,
                None,
            ),
        ];
        for (error, status, retry_after_s) in cases {
            assert_eq!(error.status.as_u16(), status);
            assert_eq!(error.retry_after_s, retry_after_s);
            assert!(!error.body().to_string().contains("10.0.0.7"));
        }
    }

    #[test]
    fn inner_failures_show_nothing_of_themselves() {
        let error = ApiError::internal_text("the password is hunter2");
        assert!(!error.body().to_string().contains("hunter2"));
    }
}
