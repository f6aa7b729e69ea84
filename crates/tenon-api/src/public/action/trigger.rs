//! Runs an action.

use axum::{
    Json,
    extract::State,
    http::{HeaderMap, StatusCode},
    response::{IntoResponse, Response},
};
use http::header;
use serde_json::{Value, json};
use tenon_core::names::EnvironmentPk;
use tenon_engine::work::actions::{self, ActionCall};

use super::{output, refusal};
use crate::{
    ApiError, App, ErrorCode,
    body::JsonBody,
    caller::{Caller, scope},
    names::{connection_id, headers_object, integration_key, script_name},
    query::Query,
    validate::{Field, Input},
};

/// Most retries of an asynchronous action (scheduler.md, 4).
const MAX_RETRIES: f64 = 5.0;

const TRUE: &[&str] = &["true", "1", "yes", "on", "y", "enabled"];
const FALSE: &[&str] = &["false", "0", "no", "off", "n", "disabled"];

/// `POST /action/trigger`
pub(super) async fn trigger(
    State(app): State<App>,
    caller: Caller<scope::ExecuteActions>,
    query: Query,
    headers: HeaderMap,
    body: JsonBody,
) -> Result<Response, ApiError> {
    query.none()?;
    let how = How::checked(&headers)?;
    let (action, input) = checked(&body)?;
    let call = how.call(caller.environment, action, input)?;
    if !how.asynchronous {
        return Ok(match actions::trigger(&app.engine, call).await {
            Ok(json) => output(json),
            Err(error) => refusal(&error),
        });
    }
    Ok(
        match actions::trigger_async(&app.engine, call, how.retries).await {
            Ok(id) => {
                let url = format!("/action/{id}");
                let body = json!({ "id": id, "statusUrl": url });
                (StatusCode::ACCEPTED, [(header::LOCATION, url)], Json(body)).into_response()
            }
            Err(error) => refusal(&error),
        },
    )
}

/// Keys beyond these two are let through, as in the reference.
fn checked(body: &JsonBody) -> Result<(String, Value), ApiError> {
    let input = body.input();
    let object = input.object();
    let action = script_name(object.required("action_name").text()).take();
    let value = object.optional("input").raw().cloned().unwrap_or_default();
    drop(object);
    input.finish()?;
    Ok((action, value))
}

/// What the headers say.
struct How {
    integration: String,
    connection: String,
    asynchronous: bool,
    retries: u32,
    idempotency_key: Option<String>,
}

impl How {
    fn checked(headers: &HeaderMap) -> Result<Self, ApiError> {
        let object = headers_object(
            headers,
            &[
                "provider-config-key",
                "connection-id",
                "x-async",
                "x-max-retries",
                "idempotency-key",
            ],
        );
        let input = Input::new(ErrorCode::InvalidHeaders, Some(&object));
        let object = input.object();
        let integration = object.required("provider-config-key");
        let integration = integration.text().integration_key().take();
        let connection = object.required("connection-id");
        let connection = connection.text().min(1).connection_id().take();
        let asynchronous = switch(&object.optional("x-async"));
        let retries = retries(&object.optional("x-max-retries"));
        let key = object.optional("idempotency-key").text();
        let idempotency_key = key.min(1).max(255).get();
        drop(object);
        input.finish()?;
        Ok(Self {
            integration,
            connection,
            asynchronous,
            retries,
            idempotency_key,
        })
    }

    fn call(
        &self,
        environment: EnvironmentPk,
        action: String,
        input: Value,
    ) -> Result<ActionCall, ApiError> {
        Ok(ActionCall {
            environment,
            integration: integration_key(&self.integration)?,
            connection: connection_id(&self.connection)?,
            action,
            input,
            idempotency_key: self.idempotency_key.clone(),
        })
    }
}

/// `true`, `1`, `yes`, ... or their opposites.
fn switch(field: &Field<'_>) -> bool {
    let Some(word) = field.raw().and_then(Value::as_str) else {
        return false;
    };
    let word = word.to_ascii_lowercase();
    if !TRUE.contains(&word.as_str()) && !FALSE.contains(&word.as_str()) {
        field.issue(
            "invalid_value",
            "Invalid option: expected a word like \"true\" or \"false\"",
        );
    }
    TRUE.contains(&word.as_str())
}

/// A number from 0 to 5; a fraction is cut off.
fn retries(field: &Field<'_>) -> u32 {
    let Some(text) = field.raw().and_then(Value::as_str) else {
        return 0;
    };
    let number: f64 = match text.trim() {
        "" => 0.0,
        text => text.parse().unwrap_or(f64::NAN),
    };
    if number.is_nan() {
        field.issue(
            "invalid_type",
            "Invalid input: expected number, received NaN",
        );
    } else if number < 0.0 {
        field.issue("too_small", "Too small: expected number to be >=0");
    } else if number > MAX_RETRIES {
        field.issue("too_big", "Too big: expected number to be <=5");
    } else {
        #[expect(
            clippy::cast_possible_truncation,
            clippy::cast_sign_loss,
            reason = "between 0 and 5"
        )]
        return number as u32;
    }
    0
}

#[cfg(test)]
mod tests {
    use super::How;
    use axum::http::{HeaderMap, HeaderValue};

    fn checked(name: &'static str, value: &'static str) -> Result<How, String> {
        let mut headers = HeaderMap::new();
        headers.insert("provider-config-key", HeaderValue::from_static("k"));
        headers.insert("connection-id", HeaderValue::from_static("c"));
        headers.insert(name, HeaderValue::from_static(value));
        How::checked(&headers).map_err(|error| error.errors[0].code.to_owned())
    }

    #[test]
    fn switches_take_many_words() {
        for word in ["true", "1", "yes", "on", "Y", "enabled"] {
            assert!(checked("x-async", word).unwrap().asynchronous, "{word}");
        }
        for word in ["false", "0", "no", "OFF", "n", "disabled"] {
            assert!(!checked("x-async", word).unwrap().asynchronous, "{word}");
        }
        for word in ["", "nope", "2"] {
            assert_eq!(checked("x-async", word).err().unwrap(), "invalid_value");
        }
    }

    #[test]
    fn retries_have_bounds() {
        let retries = |text| checked("x-max-retries", text).map(|how| how.retries);
        assert_eq!(retries("0"), Ok(0));
        assert_eq!(retries("5"), Ok(5));
        assert_eq!(retries("1.5"), Ok(1));
        assert_eq!(retries("6").unwrap_err(), "too_big");
        assert_eq!(retries("-1").unwrap_err(), "too_small");
        assert_eq!(retries("x").unwrap_err(), "invalid_type");
    }
}
