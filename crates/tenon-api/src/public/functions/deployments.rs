//! Deploys a function from its source, without a project.

use axum::{Json, extract::State, http::StatusCode};
use serde_json::{Value, json};
use tenon_core::{function::SourceCode, names::EnvironmentPk};
use tenon_engine::{
    Engine,
    work::{
        deploy,
        rehearsal::{self, JobEnd, failed},
    },
};

use super::{
    compile::source,
    dryruns::{begun, shown},
};
use crate::{
    ApiError, App, ErrorCode, UriParams,
    body::JsonBody,
    caller::{Caller, scope},
    names::script_name,
    public::deploy::body::{Door, checked as deployment_of},
    query::Query,
};

const WAYS: &[&str] = &["function", "template"];
const TYPES: &[&str] = &["action", "sync", "on-event"];

/// What functions that were deployed without a project say of their SDK.
const SDK_VERSION: &str = "0.0.0-zero";

/// `POST /functions/deployments`
pub(super) async fn begin(
    State(app): State<App>,
    caller: Caller<scope::Deploy>,
    query: Query,
    body: JsonBody,
) -> Result<(StatusCode, Json<Value>), ApiError> {
    query.none()?;
    let wanted = Wanted::checked(&body)?;
    let reader = app.engine.reader();
    let known = reader
        .find_integration(caller.environment, &wanted.integration)
        .await?;
    if known.is_none() {
        let message = format!("no integration `{}`", wanted.integration);
        return Err(ApiError::new(
            StatusCode::NOT_FOUND,
            ErrorCode::IntegrationNotFound,
            message,
        ));
    }
    let request = json!({
        "integration_id": wanted.integration,
        "function_name": wanted.name,
        "function_type": wanted.kind,
    });
    let (engine, environment) = (app.engine.clone(), caller.environment);
    let work = async move {
        match wanted.deploy(&engine, environment).await {
            Ok(end) | Err(end) => end,
        }
    };
    let job = rehearsal::start(&app.engine, environment, "deployment", request, work).await?;
    Ok((StatusCode::ACCEPTED, Json(begun(&job))))
}

/// `GET /functions/deployments/{id}`
pub(super) async fn look(
    State(app): State<App>,
    caller: Caller<scope::Deploy>,
    params: UriParams,
    query: Query,
) -> Result<Json<Value>, ApiError> {
    query.none()?;
    let id = params.get("id");
    let found = rehearsal::find(&app.engine, caller.environment, "deployment", id).await?;
    let job = found.ok_or_else(|| {
        let message = format!("no deployment `{id}`");
        ApiError::new(
            StatusCode::NOT_FOUND,
            ErrorCode::DeploymentNotFound,
            message,
        )
    })?;
    Ok(Json(shown(&job)))
}

/// A function to deploy.
struct Wanted {
    integration: String,
    name: String,
    kind: &'static str,
    code: String,
    version: Option<String>,
    allow_destructive: bool,
}

impl Wanted {
    fn checked(body: &JsonBody) -> Result<Self, ApiError> {
        let input = body.input();
        let object = input.object();
        let way = object.required("type");
        let refused = way.clone();
        if way.one_of(WAYS) == Some("template") {
            refused.issue("custom", "there are no templates on this server");
        }
        let integration = object.required("integration_id");
        let wanted = Self {
            integration: integration.text().integration_key().take(),
            name: script_name(object.required("function_name").text()).take(),
            kind: object
                .required("function_type")
                .one_of(TYPES)
                .unwrap_or_default(),
            code: source(object.required("code")),
            version: object.optional("version").text().max(255).get(),
            allow_destructive: object.optional("allow_destructive").flag().unwrap_or(false),
        };
        object.strict();
        drop(object);
        input.finish()?;
        Ok(wanted)
    }

    async fn deploy(self, engine: &Engine, environment: EnvironmentPk) -> Result<JobEnd, JobEnd> {
        let source = SourceCode {
            environment,
            integration: self.integration.clone(),
            name: self.name.clone(),
            typescript: self.code.clone(),
        };
        let built = rehearsal::built(engine, source).await?;
        if built.kind.as_str() != self.kind {
            let message = format!(
                "the code is of a function of type `{}`, not `{}`",
                built.kind.as_str(),
                self.kind
            );
            return Err(failed("validation_error", &message, Value::Null));
        }
        let body = JsonBody(Some(self.body(built.deployment)));
        let deployment = deployment_of(&body, environment, Door::Deploy).map_err(unfit)?;
        let plan = deploy::confirm(engine, &deployment)
            .await
            .map_err(|error| unfit(ApiError::from(error)))?;
        if !plan.deleted_models.is_empty() && !self.allow_destructive {
            let message = format!(
                "the function no longer has the models {}; allow it with `allow_destructive`",
                plan.deleted_models.join(", ")
            );
            return Err(failed("deployment_error", &message, Value::Null));
        }
        let deployed = deploy::apply(engine, deployment)
            .await
            .map_err(|error| unfit(ApiError::from(error)))?;
        let functions: Vec<Value> = deployed
            .iter()
            .map(|one| json!({ "name": one.name, "version": one.version, "type": one.kind, "integration_id": one.integration }))
            .collect();
        Ok(JobEnd {
            succeeded: true,
            members: json!({ "deployed": true, "deployed_functions": functions }),
        })
    }

    /// What the command line would have sent.
    fn body(&self, mut entry: Value) -> Value {
        entry["fileBody"]["ts"] = json!(self.code);
        let mut body = json!({
            "flowConfigs": [],
            "deployMode": "single",
            "reconcile": true,
            "debug": false,
            "nangoYamlBody": "",
            "source": "standalone",
            "sdkVersion": SDK_VERSION,
        });
        if self.kind == "on-event" {
            let scripts = json!({ "providerConfigKey": self.integration, "scripts": [entry] });
            body["onEventScriptsByProvider"] = json!([scripts]);
            return body;
        }
        if let Some(version) = &self.version {
            entry["version"] = json!(version);
        }
        body["flowConfigs"] = json!([entry]);
        body
    }
}

/// The refusal of a deployment as the end of a job.
fn unfit(error: ApiError) -> JobEnd {
    let issues: Vec<&str> = error
        .errors
        .iter()
        .map(|issue| issue.message.as_str())
        .collect();
    let message = match &error.message {
        Some(message) => message.clone(),
        None => issues.join("; "),
    };
    failed("deployment_error", &message, json!({ "code": error.code }))
}
