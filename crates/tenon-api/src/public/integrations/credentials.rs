//! Credentials of the owner's app at a provider: in requests and in answers.

use base64::{Engine as _, engine::general_purpose::STANDARD};
use serde_json::Value;
use tenon_core::{Secret, auth::AuthMode};
use tenon_engine::integrations::IntegrationCredentials;

use crate::validate::{Field, Object};

const PEM_START: &str = "-----BEGIN RSA PRIVATE KEY-----";
const PEM_END: &str = "-----END RSA PRIVATE KEY-----";

/// The `credentials` of a request: an object told apart by its `type`.
pub(super) fn checked(field: Field<'_>) -> Option<IntegrationCredentials> {
    let whole = field.clone();
    let object = field.object()?;
    let kind = object.optional("type").raw().and_then(Value::as_str);
    let mode = kind.and_then(AuthMode::parse);
    let credentials = match mode {
        Some(mode @ (AuthMode::OAuth1 | AuthMode::OAuth2 | AuthMode::Tba)) => client(mode, &object),
        Some(mode @ (AuthMode::McpOAuth2 | AuthMode::McpOAuth2Generic)) => mcp(mode, &object),
        Some(AuthMode::App) => app(&object),
        Some(AuthMode::Custom) => custom(&object),
        _ => {
            whole.issue_within("invalid_union", "type", "invalid credentials object");
            return None;
        }
    };
    object.strict();
    Some(credentials)
}

fn client(mode: AuthMode, object: &Object<'_>) -> IntegrationCredentials {
    IntegrationCredentials::Client {
        mode,
        client_id: object.required("client_id").text().min(1).max(255).take(),
        client_secret: Secret::new(object.required("client_secret").text().min(1).take()),
        scopes: scopes(object.optional("scopes")),
        webhook_secret: object
            .optional("webhook_secret")
            .text()
            .max(255)
            .get()
            .map(Secret::new),
    }
}

fn mcp(mode: AuthMode, object: &Object<'_>) -> IntegrationCredentials {
    IntegrationCredentials::Mcp {
        mode,
        client_id: object.required("client_id").text().min(1).max(8_192).take(),
        client_secret: object
            .optional("client_secret")
            .text()
            .min(1)
            .get()
            .map(Secret::new),
        scopes: scopes(object.optional("scopes")),
    }
}

fn app(object: &Object<'_>) -> IntegrationCredentials {
    IntegrationCredentials::App {
        app_id: object.required("app_id").text().min(1).max(255).take(),
        app_link: object.required("app_link").text().min(1).take(),
        private_key: private_key(object.required("private_key")),
    }
}

fn custom(object: &Object<'_>) -> IntegrationCredentials {
    IntegrationCredentials::Custom {
        client_id: object.required("client_id").text().min(1).max(255).take(),
        client_secret: Secret::new(object.required("client_secret").text().min(1).take()),
        app_id: object.required("app_id").text().min(1).max(255).take(),
        app_link: object.required("app_link").text().min(1).take(),
        private_key: private_key(object.required("private_key")),
    }
}

/// A comma list, or nothing.
fn scopes(field: Field<'_>) -> Option<String> {
    let value = field.raw()?;
    let allowed = |c: char| c.is_ascii_alphanumeric() || ":/_.*-".contains(c);
    let is_list = |text: &str| {
        text.is_empty()
            || text
                .split(',')
                .all(|scope| !scope.is_empty() && scope.chars().all(allowed))
    };
    match value.as_str().filter(|text| is_list(text)) {
        Some(text) => Some(text.to_owned()),
        None => {
            field.issue("invalid_union", "Invalid input");
            None
        }
    }
}

/// A PEM, kept as base64 like the reference keeps it.
fn private_key(field: Field<'_>) -> Secret {
    let pem = field
        .text()
        .matches(
            |text| text.starts_with(PEM_START),
            &format!("start with `{PEM_START}`"),
        )
        .matches(
            |text| text.ends_with(PEM_END),
            &format!("end with `{PEM_END}`"),
        )
        .take();
    Secret::new(STANDARD.encode(pem))
}
