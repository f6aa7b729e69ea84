//! Changes how often a sync of one connection runs.

use axum::{Json, extract::State, http::StatusCode};
use serde_json::{Value, json};
use tenon_core::frequency::{Frequency, FrequencyError};
use tenon_engine::work::commands::{self, FrequencyChangeError, SyncName};

use crate::{
    ApiError, App, ErrorCode,
    body::JsonBody,
    caller::{Caller, scope},
    names::{connection_id, integration_key, script_name},
    query::Query,
};

/// `PUT /sync/update-connection-frequency`
pub(super) async fn update(
    State(app): State<App>,
    caller: Caller<scope::UpdateSyncs>,
    query: Query,
    body: JsonBody,
) -> Result<Json<Value>, ApiError> {
    query.none()?;
    let checked = checked(&body)?;
    let frequency = checked
        .frequency
        .as_deref()
        .map(Frequency::parse_override)
        .transpose()
        .map_err(ApiError::invalid_body)?;
    let shown = commands::set_frequency(
        &app.engine,
        caller.environment,
        &integration_key(&checked.integration)?,
        &connection_id(&checked.connection)?,
        &checked.sync,
        frequency,
    )
    .await?;
    Ok(Json(json!({ "frequency": shown })))
}

struct Checked {
    sync: SyncName,
    integration: String,
    connection: String,
    frequency: Option<String>,
}

fn checked(body: &JsonBody) -> Result<Checked, ApiError> {
    let input = body.input();
    let object = input.object();
    let name = script_name(object.required("sync_name").text()).take();
    let variant = script_name(object.optional("sync_variant").text()).get();
    let integration = super::selection::integration(&object);
    let connection = object.required("connection_id");
    let connection = connection.text().min(1).connection_id().take();
    let frequency = object.required("frequency");
    let frequency = match frequency.raw() {
        Some(Value::Null) => None,
        _ => {
            let well_formed =
                |text: &str| !matches!(Frequency::parse(text), Err(FrequencyError::Form(_)));
            let rule = "be a frequency like `every hour`";
            frequency.text().matches(well_formed, rule).get()
        }
    };
    object.strict();
    drop(object);
    input.finish()?;
    Ok(Checked {
        sync: SyncName {
            name,
            variant: variant.unwrap_or_else(|| "base".to_owned()),
        },
        integration,
        connection,
        frequency,
    })
}

impl From<FrequencyChangeError> for ApiError {
    fn from(error: FrequencyChangeError) -> Self {
        match &error {
            FrequencyChangeError::UnknownConnection => {
                Self::bare(StatusCode::BAD_REQUEST, ErrorCode::UnknownConnection)
            }
            FrequencyChangeError::UnknownSync => {
                Self::bare(StatusCode::BAD_REQUEST, ErrorCode::UnknownSync)
            }
            FrequencyChangeError::Store(_) => Self::internal(&error),
        }
    }
}
