//! Which connection and model a request is about.

use axum::http::HeaderMap;
use serde_json::{Map, Value};
use tenon_core::names::EnvironmentPk;
use tenon_engine::records::{ModelKey, full_model};

use crate::{
    ApiError, App, ErrorCode,
    validate::{Field, Input, Object},
};

/// Headers that name a connection.
const NAMES: [&str; 2] = ["connection-id", "provider-config-key"];

/// A connection by its names, from the headers of the request.
pub(super) struct ConnectionNames {
    connection: String,
    integration: String,
}

impl ConnectionNames {
    /// 400 `invalid_headers` if one is missing.
    pub(super) fn from_headers(headers: &HeaderMap) -> Result<Self, ApiError> {
        let mut given = Map::new();
        for name in NAMES {
            if let Some(value) = headers.get(name) {
                let text = String::from_utf8_lossy(value.as_bytes());
                given.insert(name.to_owned(), Value::String(text.into_owned()));
            }
        }
        let given = Value::Object(given);
        let input = Input::new(ErrorCode::InvalidHeaders, Some(&given));
        let object = input.object();
        let connection = object.required(NAMES[0]).text().connection_id().take();
        let integration = object.required(NAMES[1]).text().integration_key().take();
        drop(object);
        input.finish()?;
        Ok(Self {
            connection,
            integration,
        })
    }

    /// The model of this connection; 400 `unknown_connection` if there is no such connection.
    pub(super) async fn model(
        &self,
        app: &App,
        environment: EnvironmentPk,
        model: &ModelName,
    ) -> Result<ModelKey, ApiError> {
        let reader = app.engine.reader();
        let found = reader
            .find_connection(environment, &self.integration, &self.connection)
            .await?;
        let Some(connection) = found else {
            let message = format!(
                "integration `{}` has no connection `{}`",
                self.integration, self.connection
            );
            return Err(ApiError::bad_request(ErrorCode::UnknownConnection, message));
        };
        Ok(ModelKey {
            environment,
            connection: connection.pk,
            model: full_model(&model.model, model.variant.as_deref().unwrap_or_default()),
        })
    }
}

/// A model and its variant, as requests name them.
pub(super) struct ModelName {
    model: String,
    variant: Option<String>,
}

impl ModelName {
    /// From `model` and `variant`.
    pub(super) fn checked(object: &Object<'_>) -> Self {
        Self {
            model: model(object.required("model")),
            variant: object
                .optional("variant")
                .text()
                .matches(is_word, "hold only letters, digits, `_` and `-`")
                .max(255)
                .get(),
        }
    }
}

/// A name of a model. Unlike the reference's, it may begin with a small letter.
fn model(field: Field<'_>) -> String {
    let is_model = |text: &str| {
        text.len() > 1 && text.starts_with(|c: char| c.is_ascii_alphabetic()) && is_word(text)
    };
    field
        .text()
        .matches(
            is_model,
            "begin with a letter and hold only letters, digits, `_` and `-`",
        )
        .max(255)
        .take()
}

fn is_word(text: &str) -> bool {
    let allowed = |c: char| c.is_ascii_alphanumeric() || c == '_' || c == '-';
    !text.is_empty() && text.chars().all(allowed)
}
