//! Everything in one sealed file, while the server works.

use axum::{
    Router,
    body::Body,
    extract::State,
    http::{StatusCode, header},
    response::{IntoResponse, Response},
    routing::post,
};
use bytes::Bytes;
use futures::StreamExt as _;
use tenon_core::Secret;
use tenon_engine::{
    audit::{self, Door, ReadBy, SecretOf},
    transfer::{self, Recipient, Sealing},
};
use tenon_store::environments::EnvironmentRow;
use tokio::sync::mpsc;
use tracing::warn;

use crate::{
    ApiError, App, ErrorCode,
    body::JsonBody,
    caller::{Caller, scope},
    query::Query,
};

/// Pieces that wait for a slow caller; each is some chunks of 64 KiB.
const WAITING: usize = 4;

/// Most environments named in one request.
const MAX_ENVIRONMENTS: usize = 1_000;

pub(crate) fn routes() -> Router<App> {
    Router::new().route("/export", post(export))
}

struct Wanted {
    /// All of them, and the index key, if nothing.
    environments: Option<Vec<String>>,
    sealing: Sealing,
}

/// `POST /export`: the file, sealed to a recipient or with a passphrase.
async fn export(
    State(app): State<App>,
    caller: Caller<scope::Export>,
    query: Query,
    body: JsonBody,
) -> Result<Response, ApiError> {
    query.none()?;
    let wanted = checked(&body)?;
    let all = app.engine.reader().list_environments().await?;
    let whole = wanted.environments.is_none();
    let chosen = chosen(all, wanted.environments)?;
    for environment in &chosen {
        let by = ReadBy::Key(caller.key());
        audit::read(
            &app.engine,
            environment.pk,
            Door::Export,
            by,
            SecretOf::Environment,
        );
    }
    let (pieces, mut coming) = mpsc::channel::<Bytes>(WAITING);
    let engine = app.engine.clone();
    let running = tokio::spawn(async move {
        let now = engine.clock.now();
        let sealing = &wanted.sealing;
        transfer::export(
            &engine.store,
            &chosen,
            whole,
            sealing,
            &engine.random,
            now,
            pieces,
        )
        .await
    });
    let pieces = futures::stream::poll_fn(move |context| coming.poll_recv(context)).map(Ok);
    // A failure cuts the answer off: the file then lacks its end, which whoever opens it notices.
    let end = futures::stream::once(async move {
        let problem = match running.await {
            Ok(Ok(_)) => return Ok(Bytes::new()),
            Ok(Err(error)) => error.to_string(),
            Err(error) => error.to_string(),
        };
        warn!("an export was cut off: {problem}");
        Err(std::io::Error::other("the export was cut off"))
    });
    let body = Body::from_stream(pieces.chain(end));
    Ok(([(header::CONTENT_TYPE, "application/octet-stream")], body).into_response())
}

fn chosen(
    all: Vec<EnvironmentRow>,
    wanted: Option<Vec<String>>,
) -> Result<Vec<EnvironmentRow>, ApiError> {
    let Some(names) = wanted else { return Ok(all) };
    names
        .into_iter()
        .map(|name| {
            let found = all.iter().find(|environment| environment.name == name);
            found.cloned().ok_or_else(|| {
                let message = format!("there is no environment `{name}`");
                ApiError::new(
                    StatusCode::NOT_FOUND,
                    ErrorCode::UnknownEnvironment,
                    message,
                )
            })
        })
        .collect()
}

fn checked(body: &JsonBody) -> Result<Wanted, ApiError> {
    let input = body.input();
    let object = input.object();
    let environments = object
        .optional("environments")
        .items(MAX_ENVIRONMENTS)
        .map(|items| items.texts(|text| text.min(1).max(255)));
    let recipient = object.optional("recipient").text().min(1).max(255).get();
    let passphrase = object
        .optional("passphrase")
        .text()
        .min(12)
        .max(1_024)
        .get();
    object.strict();
    drop(object);
    if recipient.is_some() == passphrase.is_some() {
        let message = "say what seals the file: a recipient or a passphrase";
        input.issue("custom", Vec::new(), message);
    }
    input.finish()?;
    let sealing = match (recipient, passphrase) {
        (Some(text), _) => {
            Sealing::Recipient(Recipient::parse(&text).map_err(ApiError::invalid_body)?)
        }
        (None, text) => Sealing::Passphrase(Secret::new(text.unwrap_or_default())),
    };
    Ok(Wanted {
        environments,
        sealing,
    })
}
