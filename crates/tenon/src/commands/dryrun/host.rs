//! The host of a dry run: it asks the server for what the function reads, and keeps what the function would write.

use std::{
    collections::BTreeMap,
    sync::{Mutex, MutexGuard, PoisonError},
};

use indexmap::IndexMap;
use serde_json::{Map, Value, json};
use tenon_core::function::{
    FetchCall, Host, HostCall, HostError, HostErrorKind, HostReply, HttpReply, LogLevel, ProxyCall,
    RecordInput,
};
use tenon_engine::egress::{Egress, EgressError, EgressPolicy, EgressRequest};
use tenon_providers::Catalogue;
use tenon_runtime::replay::Recording;

use super::{
    lines,
    requests::{self, Route},
};
use crate::commands::server::{Answer, Client, ClientError, Request, segment};

/// What a run is about.
pub(super) struct Setting {
    pub(super) client: Client,
    pub(super) integration: String,
    pub(super) provider: String,
    pub(super) connection_id: String,
    pub(super) variant: String,
    pub(super) base_url: Option<String>,
    /// The public object of the connection.
    pub(super) connection: Map<String, Value>,
    pub(super) metadata: Option<Map<String, Value>>,
    pub(super) checkpoint: Option<Map<String, Value>>,
}

/// What the function did.
#[derive(Clone, Default)]
pub(super) struct Done {
    /// Records by model in the order they were handed over, duplicates included.
    pub(super) saved: IndexMap<String, Vec<Value>>,
    pub(super) updated: IndexMap<String, Vec<Value>>,
    pub(super) deleted: IndexMap<String, Vec<Value>>,
    pub(super) checkpoint: Option<Map<String, Value>>,
    /// Metadata as the function found it, and as it left it.
    pub(super) first_metadata: Map<String, Value>,
    pub(super) metadata: Map<String, Value>,
    pub(super) requests: usize,
    pub(super) recording: Recording,
    /// The connection as a fixture may hold it.
    pub(super) connection: Value,
    /// Members that it used and a replay does not have.
    pub(super) not_replayable: BTreeMap<&'static str, ()>,
}

pub(super) struct DryRunHost {
    setting: Setting,
    egress: Egress,
    done: Mutex<Done>,
}

impl DryRunHost {
    pub(super) fn new(setting: Setting) -> Self {
        let own = setting
            .connection
            .get("metadata")
            .and_then(Value::as_object);
        let metadata = setting.metadata.clone().or_else(|| own.cloned());
        let done = Done {
            checkpoint: setting.checkpoint.clone(),
            first_metadata: metadata.clone().unwrap_or_default(),
            metadata: metadata.unwrap_or_default(),
            connection: without_secrets(&setting.connection),
            ..Done::default()
        };
        Self {
            // Whoever runs this may reach what this machine may reach.
            egress: Egress::new(EgressPolicy {
                allow_loopback: true,
                ..EgressPolicy::default()
            }),
            setting,
            done: Mutex::new(done),
        }
    }

    pub(super) fn done(&self) -> Done {
        self.lock().clone()
    }

    fn lock(&self) -> MutexGuard<'_, Done> {
        self.done.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn note(&self, member: &'static str) {
        self.lock().not_replayable.insert(member, ());
    }

    async fn proxy(&self, call: ProxyCall) -> Result<HostReply, HostError> {
        let route = Route {
            integration: &self.setting.integration,
            connection: &self.setting.connection_id,
            base_url: self.setting.base_url.as_deref(),
        };
        let request = requests::of(&call, &route)
            .ok_or_else(|| plain(format!("`{}` is not a method", call.method)))?;
        let answer = self.setting.client.send(request).await.map_err(away)?;
        let reply = requests::reply(answer, &call.endpoint);
        let mut done = self.lock();
        done.requests += 1;
        done.recording.answered(&call, &reply);
        drop(done);
        lines::request(&call, reply.status);
        Ok(HostReply::Response(Box::new(reply)))
    }

    /// A request to the server's own API whose answer the function sees, errors included.
    async fn api(&self, request: Request) -> Result<Value, HostError> {
        let path = request.path.clone();
        let answer = self.setting.client.send(request).await.map_err(away)?;
        if answer.status.is_success() {
            return serde_json::from_slice(&answer.body).map_err(|_| {
                plain(format!(
                    "the server answered {path} with something else than JSON"
                ))
            });
        }
        Err(refused(answer, &path))
    }

    async fn get_connection(
        &self,
        integration: Option<String>,
        connection: Option<String>,
        force_refresh: bool,
        refresh_token: bool,
    ) -> Result<HostReply, HostError> {
        let integration = integration.unwrap_or_else(|| self.setting.integration.clone());
        let connection = connection.unwrap_or_else(|| self.setting.connection_id.clone());
        let current =
            integration == self.setting.integration && connection == self.setting.connection_id;
        let mut found = if current && !force_refresh && !refresh_token {
            Value::Object(self.setting.connection.clone())
        } else {
            let path = format!(
                "/connections/{}?provider_config_key={}&force_refresh={force_refresh}&refresh_token={refresh_token}",
                segment(&connection),
                segment(&integration)
            );
            self.api(Request::get(path)).await?
        };
        if current {
            found["metadata"] = self.lock().metadata.clone().into();
        }
        Ok(HostReply::Json(found))
    }

    /// The token itself where there is one, else the credentials.
    async fn token(&self) -> Result<HostReply, HostError> {
        self.note("getToken");
        let reply = self.get_connection(None, None, false, false).await?;
        let HostReply::Json(connection) = reply else {
            return Err(plain("the connection cannot be read".to_owned()));
        };
        let credentials = &connection["credentials"];
        let token = ["access_token", "token"]
            .iter()
            .find_map(|key| credentials.get(*key).filter(|token| token.is_string()));
        Ok(HostReply::Json(token.unwrap_or(credentials).clone()))
    }

    async fn pagination(&self, integration: Option<String>) -> Result<HostReply, HostError> {
        let provider = match &integration {
            Some(key) if *key != self.setting.integration => {
                let path = format!("/integrations/{}", segment(key));
                let found = self.api(Request::get(path)).await?;
                found["data"]["provider"]
                    .as_str()
                    .unwrap_or_default()
                    .to_owned()
            }
            _ => self.setting.provider.clone(),
        };
        // The server may know providers that this program does not.
        let path = format!("/providers/{}", segment(&provider));
        let known = self.api(Request::get(path)).await;
        let settings = match known {
            Ok(found) => found["data"]["proxy"]["paginate"].clone(),
            Err(_) => Value::Null,
        };
        if !settings.is_null() {
            return Ok(HostReply::Json(settings));
        }
        let key = integration.as_deref().unwrap_or(&self.setting.integration);
        let catalogue = Catalogue::embedded();
        let settings = catalogue
            .find(&provider)
            .map(|provider| catalogue.pagination(&provider, key));
        Ok(HostReply::Json(settings.unwrap_or_default()))
    }

    async fn integration(&self, include: &[String]) -> Result<HostReply, HostError> {
        let query: Vec<String> = include
            .iter()
            .map(|part| format!("include={}", segment(part)))
            .collect();
        let path = format!(
            "/integrations/{}?{}",
            segment(&self.setting.integration),
            query.join("&")
        );
        let found = self.api(Request::get(path.trim_end_matches('?'))).await?;
        Ok(HostReply::Json(found["data"].clone()))
    }

    async fn trigger_action(
        &self,
        integration: &str,
        connection: &str,
        action: &str,
        input: &Value,
    ) -> Result<HostReply, HostError> {
        self.note("triggerAction");
        lines::did(&format!("runs action `{action}` on the server"));
        let body = json!({ "action_name": action, "input": input });
        let request = Request::json(reqwest::Method::POST, "/action/trigger", &body)
            .header("connection-id", connection)
            .header("provider-config-key", integration);
        Ok(HostReply::Json(self.api(request).await?))
    }

    async fn records(&self, query: &str) -> Result<HostReply, HostError> {
        let request = Request::get(format!("/records?{query}"))
            .header("connection-id", self.setting.connection_id.as_str())
            .header("provider-config-key", self.setting.integration.as_str());
        let page = self.api(request).await?;
        let records = page["records"].as_array().cloned().unwrap_or_default();
        Ok(HostReply::Records {
            records: records
                .iter()
                .map(|record| record.to_string().into())
                .collect(),
            next_cursor: page["next_cursor"].as_str().map(str::to_owned),
        })
    }

    fn full_model(&self, model: &str) -> String {
        match self.setting.variant.as_str() {
            "base" => model.to_owned(),
            variant => format!("{model}::{variant}"),
        }
    }

    async fn fetch(&self, call: FetchCall) -> Result<HostReply, HostError> {
        self.note("uncontrolledFetch");
        let reply = fetch(&self.egress, call).await.map_err(|error| {
            let code = match error {
                EgressError::Refused { .. } => "url_not_allowed",
                EgressError::TooManyRedirects(_) => "too_many_redirects",
                EgressError::InvalidRedirect(_) => "invalid_redirect",
                _ => return plain(format!("fetch failed: {error}")),
            };
            HostError {
                code: code.to_owned(),
                kind: HostErrorKind::Action,
                ..plain(error.to_string())
            }
        })?;
        Ok(HostReply::Response(Box::new(reply)))
    }

    fn save(&self, model: String, records: Vec<RecordInput>) -> HostReply {
        let mut done = self.lock();
        for record in records {
            let record = whole(record);
            done.recording.saved(&model, record.clone());
            done.saved.entry(model.clone()).or_default().push(record);
        }
        HostReply::Done
    }

    fn delete(&self, model: String, records: Vec<RecordInput>) -> HostReply {
        let mut done = self.lock();
        for record in records {
            let record = whole(record);
            done.recording.deleted(&model, record.clone());
            done.deleted.entry(model.clone()).or_default().push(record);
        }
        HostReply::Done
    }

    fn update(&self, model: String, records: Vec<RecordInput>) -> HostReply {
        self.note("batchUpdate");
        let mut done = self.lock();
        let updated = done.updated.entry(model).or_default();
        updated.extend(records.into_iter().map(whole));
        HostReply::Done
    }

    fn set_metadata(&self, metadata: Map<String, Value>, merge: bool) -> HostReply {
        lines::did("changes metadata; the server keeps what it has");
        let mut done = self.lock();
        if !merge {
            done.metadata.clear();
            done.not_replayable.insert("setMetadata", ());
        }
        done.metadata.extend(metadata);
        HostReply::Done
    }
}

#[async_trait::async_trait]
impl Host for DryRunHost {
    async fn call(&self, call: HostCall) -> Result<HostReply, HostError> {
        match call {
            HostCall::Proxy(call) => self.proxy(*call).await,
            HostCall::UncontrolledFetch(call) => self.fetch(call).await,
            HostCall::PaginationSettings {
                provider_config_key,
            } => self.pagination(provider_config_key).await,
            HostCall::GetConnection {
                provider_config_key,
                connection_id,
                force_refresh,
                refresh_token,
                refresh_github_app_jwt_token: _,
            } => {
                self.get_connection(
                    provider_config_key,
                    connection_id,
                    force_refresh,
                    refresh_token,
                )
                .await
            }
            HostCall::GetToken => self.token().await,
            HostCall::GetMetadata => Ok(HostReply::Json(self.lock().metadata.clone().into())),
            HostCall::SetMetadata { metadata } => Ok(self.set_metadata(metadata, false)),
            HostCall::UpdateMetadata { metadata } => Ok(self.set_metadata(metadata, true)),
            HostCall::GetIntegration { include } => self.integration(&include).await,
            HostCall::GetEnvironmentVariables => {
                self.note("getEnvironmentVariables");
                let found = self.api(Request::get("/environment-variables")).await?;
                Ok(HostReply::Json(found))
            }
            HostCall::TriggerAction {
                provider_config_key,
                connection_id,
                action,
                input,
            } => {
                self.trigger_action(&provider_config_key, &connection_id, &action, &input)
                    .await
            }
            HostCall::TriggerSync { sync, .. } => {
                self.note("triggerSync");
                lines::did(&format!("would trigger sync {sync}"));
                Ok(HostReply::Done)
            }
            HostCall::StartSync { syncs, .. } => {
                self.note("startSync");
                lines::did(&format!("would start {}", Value::from(syncs)));
                Ok(HostReply::Done)
            }
            HostCall::Log {
                level,
                message,
                payload,
            } => {
                lines::log(level, &message, payload.as_ref());
                Ok(HostReply::Done)
            }
            HostCall::BatchSave { model, records } => Ok(self.save(model, records)),
            // A dry run keeps nothing aside, so that nothing is rejected into it.
            HostCall::RejectRecords { model, records } => {
                lines::did(&format!("would keep {} of `{model}` aside", records.len()));
                Ok(HostReply::Done)
            }
            HostCall::BatchUpdate { model, records } => Ok(self.update(model, records)),
            HostCall::BatchDelete { model, records } => Ok(self.delete(model, records)),
            HostCall::GetRecordsByIds { model, ids } => {
                self.note("getRecordsByIds");
                let mut query = format!("model={}&limit=100", segment(&self.full_model(&model)));
                for id in ids {
                    query = format!("{query}&ids={}", segment(&id));
                }
                self.records(&query).await
            }
            HostCall::ListRecords { model, cursor } => {
                self.note("listRecords");
                let mut query = format!("model={}", segment(&self.full_model(&model)));
                if let Some(cursor) = cursor {
                    query = format!("{query}&cursor={}", segment(&cursor));
                }
                self.records(&query).await
            }
            HostCall::SetMergingStrategy { .. } => {
                self.note("setMergingStrategy");
                Ok(HostReply::Done)
            }
            HostCall::TrackDeletesStart { .. } => Ok(HostReply::Done),
            HostCall::TrackDeletesEnd { .. }
            | HostCall::DeleteRecordsFromPreviousExecutions { .. } => {
                Ok(HostReply::Json(json!({ "deletedKeys": [] })))
            }
            HostCall::GetCheckpoint => Ok(HostReply::Json(json!(self.lock().checkpoint))),
            HostCall::SaveCheckpoint { checkpoint } => {
                lines::log(
                    LogLevel::Debug,
                    "checkpoint",
                    Some(&checkpoint.clone().into()),
                );
                self.lock().checkpoint = Some(checkpoint);
                Ok(HostReply::Done)
            }
            HostCall::ClearCheckpoint => {
                self.lock().checkpoint = None;
                Ok(HostReply::Done)
            }
            HostCall::TryAcquireLock { .. } | HostCall::ReleaseLock { .. } => {
                self.note("locks");
                Ok(HostReply::Json(true.into()))
            }
            HostCall::ReleaseAllLocks => Ok(HostReply::Done),
        }
    }
}

async fn fetch(egress: &Egress, call: FetchCall) -> Result<HttpReply, EgressError> {
    let method = if call.method.is_empty() {
        "GET"
    } else {
        &call.method
    };
    let method = reqwest::Method::from_bytes(method.to_uppercase().as_bytes())
        .map_err(|_| EgressError::InvalidHeaderName(call.method.clone()))?;
    let mut request = EgressRequest::to(method, &call.url)?;
    for (name, value) in &call.headers {
        request = request.header(name, value)?;
    }
    if let Some(body) = call.body {
        request = request.body(body);
    }
    let response = egress.send(request).await?;
    let status = response.status;
    let headers = response.headers.iter().map(|(name, value)| {
        let value = String::from_utf8_lossy(value.as_bytes()).into_owned();
        (name.as_str().to_owned(), value)
    });
    let headers = headers.collect();
    let url = response.url.to_string();
    Ok(HttpReply {
        status: status.as_u16(),
        status_text: status.canonical_reason().unwrap_or_default().to_owned(),
        headers,
        body: response
            .collect(tenon_core::limits::BATCH_BYTES as u64)
            .await?,
        url,
        ..HttpReply::default()
    })
}

/// The record as the function wrote it: its id in front again.
fn whole(record: RecordInput) -> Value {
    let mut fields = Map::new();
    fields.insert("id".to_owned(), record.id.into());
    if let Ok(Value::Object(rest)) = serde_json::from_slice(&record.json) {
        fields.extend(rest);
    }
    fields.into()
}

/// What a fixture may hold of a connection: everything but credentials and what identifies the end user.
fn without_secrets(connection: &Map<String, Value>) -> Value {
    const KEPT: [&str; 4] = [
        "connection_id",
        "provider_config_key",
        "provider",
        "connection_config",
    ];
    let kept = KEPT
        .iter()
        .filter_map(|key| Some((*key, connection.get(*key)?.clone())));
    let mut kept: Map<String, Value> = kept.map(|(key, value)| (key.to_owned(), value)).collect();
    if let Some(kind) = connection
        .get("credentials")
        .and_then(|given| given.get("type"))
    {
        kept.insert("credentials".to_owned(), json!({ "type": kind }));
    }
    kept.into()
}

fn plain(message: String) -> HostError {
    HostError {
        code: String::new(),
        message,
        response: None,
        kind: HostErrorKind::Plain,
    }
}

/// The server does not answer: a network error, as the SDK would have it.
fn away(error: ClientError) -> HostError {
    HostError {
        code: "ECONNREFUSED".to_owned(),
        message: error.to_string(),
        response: None,
        kind: HostErrorKind::Http,
    }
}

fn refused(answer: Answer, path: &str) -> HostError {
    let status = answer.status.as_u16();
    HostError {
        code: "ERR_BAD_RESPONSE".to_owned(),
        message: format!("Request failed with status code {status}"),
        response: Some(Box::new(requests::reply(answer, path))),
        kind: HostErrorKind::Http,
    }
}
