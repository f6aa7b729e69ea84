//! What a run may ask for, answered by the engine.

mod checkpoints;
mod connection;
mod fetch;
mod records;
mod validation;

use std::sync::{
    Arc, Mutex, PoisonError,
    atomic::{AtomicBool, Ordering},
};

use serde_json::{Value, json};
use tenon_core::{
    function::{
        Cancel, Host, HostCall, HostError, HostErrorKind, HostReply, HttpReply, LogLevel,
        ModelCounts, ProxyCall,
    },
    limits,
    names::{ConnectionId, IntegrationKey},
};
use tenon_store::StoreError;
use tokio::sync::{OnceCell, watch};

use super::{
    actions::{self, ActionCall},
    commands,
    run::{ClaimedRun, Left},
};
use crate::{
    Engine,
    egress::{Budget, Pot},
    environments::{EgressMode, FunctionSettings, TokenMode},
    proxy::{self, ProxyTarget},
    records::Writer,
};

pub(crate) use records::empty_cache;

/// Actions that call actions that call actions: deeper than this is a loop.
pub(crate) const ACTION_DEPTH: u32 = 8;

/// What one run asks of the engine, and what it has done so far.
pub struct RunHost {
    engine: Engine,
    run: ClaimedRun,
    cancel: Cancel,
    /// Up when the task row is stored: no effect may come before that (DESIGN 4, «trigger action»).
    stored: watch::Receiver<Stored>,
    /// Raised when the run is to stop behind its next checkpoint.
    interrupt: Arc<AtomicBool>,
    /// How many actions deep this run is.
    depth: u32,
    /// What functions of this environment may do; read when it is first asked for.
    settings: OnceCell<FunctionSettings>,
    /// What answers from outside are paid from until the function has them.
    replies: Budget,
    /// Syncs only.
    writer: Option<Arc<Writer>>,
    progress: Mutex<Progress>,
}

/// Whether the row of a task that already runs has been stored.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Stored {
    NotYet,
    Yes,
    Failed,
}

#[derive(Default)]
struct Progress {
    counts: ModelCounts,
    checkpoint: checkpoints::Known,
    locks: bool,
    validation: validation::Counted,
}

impl RunHost {
    pub(crate) fn new(
        engine: Engine,
        run: ClaimedRun,
        cancel: Cancel,
        stored: watch::Receiver<Stored>,
        interrupt: Arc<AtomicBool>,
        depth: u32,
    ) -> Self {
        Self {
            writer: records::writer(&run).map(Arc::new),
            replies: Budget {
                own: Pot::new(limits::RUN_REPLIES_BYTES),
                shared: engine.work.replies(run.subject.environment),
            },
            engine,
            run,
            cancel,
            stored,
            interrupt,
            depth,
            settings: OnceCell::new(),
            progress: Mutex::default(),
        }
    }

    /// What the run has done so far.
    pub(crate) fn left(&self) -> Left {
        let progress = self.progress();
        Left {
            models: Some(self.run.function.models.clone()),
            counts: progress.counts.clone(),
            checkpoints: progress.checkpoint.span(),
            locks: progress.locks,
            writer: self.writer.clone(),
        }
    }

    fn progress(&self) -> std::sync::MutexGuard<'_, Progress> {
        self.progress.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn check_cancelled(&self) -> Result<(), HostError> {
        if self.cancel.is_raised() {
            return Err(sdk_error("script_aborted", "the run was told to stop"));
        }
        Ok(())
    }

    async fn wait_until_stored(&self) -> Result<(), HostError> {
        let mut stored = self.stored.clone();
        let state = stored
            .wait_for(|state| *state != Stored::NotYet)
            .await
            .map_or(Stored::Failed, |state| *state);
        match state {
            Stored::Yes => Ok(()),
            Stored::Failed | Stored::NotYet => {
                Err(sdk_error("script_aborted", "the run could not be stored"))
            }
        }
    }

    fn is_interrupted(&self) -> bool {
        let passed = self.engine.clock.now().since(self.run.started_at);
        self.interrupt.load(Ordering::Relaxed) || passed >= self.run.kind.soft_limit()
    }

    /// The connection that is meant: by default the current one.
    fn target(
        &self,
        provider_config_key: Option<&str>,
        connection_id: Option<&str>,
    ) -> Result<ProxyTarget, HostError> {
        let integration = provider_config_key.unwrap_or(&self.run.subject.integration_key);
        let connection = connection_id.unwrap_or(&self.run.subject.connection_id);
        Ok(ProxyTarget {
            environment: self.run.subject.environment,
            integration: integration_key(integration)?,
            connection: connection_key(connection)?,
            operation: Some(self.run.task.operation.clone()),
        })
    }

    async fn proxy(&self, call: ProxyCall) -> Result<HostReply, HostError> {
        let target = self.target(
            call.provider_config_key.as_deref(),
            call.connection_id.as_deref(),
        )?;
        let settings = self.settings().await?;
        let secrets_hidden = settings.tokens == TokenMode::HostOnly;
        // Credentials that a function may not see must not be sent where it chooses, either.
        let confined = secrets_hidden || settings.egress == EgressMode::ProviderOnly;
        let bounds = proxy::Bounds {
            hosts: confined.then(|| settings.egress_hosts.clone()),
            secrets_hidden,
            replies: Some(self.replies.clone()),
        };
        match proxy::call_within(&self.engine, &target, call, &bounds).await {
            Ok(reply) => Ok(HostReply::Response(Box::new(reply))),
            Err(error) => {
                if confined && error.code == "base_url_override_not_allowed" {
                    self.log(
                        LogLevel::Warn,
                        format!("a request was refused: {}", error.message),
                        None,
                    );
                }
                Err(error)
            }
        }
    }

    /// What functions of this environment may do; the same for the whole run.
    async fn settings(&self) -> Result<&FunctionSettings, HostError> {
        let read = || async {
            let row = self
                .engine
                .reader()
                .function_settings(self.run.subject.environment)
                .await
                .map_err(store_error)?;
            let row = row.ok_or_else(|| plain_error("the environment is gone".to_owned()))?;
            Ok(FunctionSettings::from(&row))
        };
        self.settings.get_or_try_init(read).await
    }

    /// `proxy.paginate` of the provider, as its definition has it.
    async fn pagination(&self, integration: Option<&str>) -> Result<HostReply, HostError> {
        let provider = match integration {
            Some(key) if key != self.run.subject.integration_key => {
                let found = self
                    .engine
                    .reader()
                    .find_integration(self.run.subject.environment, key)
                    .await
                    .map_err(store_error)?;
                found.map(|integration| integration.provider)
            }
            _ => Some(self.run.subject.provider.clone()),
        };
        let provider = provider.and_then(|name| self.engine.catalogue.find(&name));
        let Some(provider) = provider else {
            return Err(sdk_error(
                "unknown_provider_template_in_config",
                "the provider of this integration is not in the catalogue",
            ));
        };
        let key = integration.unwrap_or(&self.run.subject.integration_key);
        Ok(HostReply::Json(
            self.engine.catalogue.pagination(&provider, key),
        ))
    }

    async fn trigger_action(
        &self,
        integration: &str,
        connection: &str,
        action: String,
        input: Value,
    ) -> Result<HostReply, HostError> {
        if self.depth >= ACTION_DEPTH {
            return Err(plain_error(format!(
                "actions may call each other {ACTION_DEPTH} deep at most"
            )));
        }
        let call = ActionCall {
            environment: self.run.subject.environment,
            integration: integration_key(integration)?,
            connection: connection_key(connection)?,
            action,
            input,
            idempotency_key: None,
        };
        let within = actions::Within {
            operation: Some(self.run.task.operation.clone()),
            depth: self.depth + 1,
        };
        match actions::trigger_within(&self.engine, call, within).await {
            Ok(output) => Ok(HostReply::JsonText(output)),
            Err(error) => Err(api_error(actions::answer(&error), "/action/trigger")),
        }
    }

    async fn trigger_sync(
        &self,
        integration: &str,
        connection: &str,
        sync: &Value,
        options: &Value,
    ) -> Result<HostReply, HostError> {
        let selection = commands::Selection {
            environment: self.run.subject.environment,
            integration: integration_key(integration)?,
            connection: Some(connection_key(connection)?),
            syncs: vec![sync_name(sync)?],
        };
        let how = commands::Trigger::from_options(options);
        commands::trigger(&self.engine, &selection, how)
            .await
            .map(|()| HostReply::Done)
            .map_err(|error| api_error(commands::answer(&error), "/sync/trigger"))
    }

    async fn start_sync(
        &self,
        integration: &str,
        syncs: &[Value],
        connection: Option<&str>,
    ) -> Result<HostReply, HostError> {
        let selection = commands::Selection {
            environment: self.run.subject.environment,
            integration: integration_key(integration)?,
            connection: connection.map(connection_key).transpose()?,
            syncs: syncs.iter().map(sync_name).collect::<Result<_, _>>()?,
        };
        commands::start(&self.engine, &selection)
            .await
            .map(|()| HostReply::Done)
            .map_err(|error| api_error(commands::answer(&error), "/sync/start"))
    }

    async fn variables(&self) -> Result<HostReply, HostError> {
        let variables = self
            .engine
            .reader()
            .list_variables(self.run.subject.environment)
            .await
            .map_err(store_error)?;
        self.read(crate::audit::SecretOf::Variables);
        let list = variables
            .iter()
            .map(|(name, value)| json!({ "name": name, "value": value.expose() }))
            .collect();
        Ok(HostReply::Json(Value::Array(list)))
    }

    fn log(&self, level: LogLevel, message: String, payload: Option<&Value>) {
        self.engine.operations.message(
            self.run.subject.environment,
            &self.run.task.operation,
            level,
            message,
            payload,
        );
    }
}

#[async_trait::async_trait]
impl Host for RunHost {
    async fn call(&self, call: HostCall) -> Result<HostReply, HostError> {
        self.check_cancelled()?;
        self.wait_until_stored().await?;
        match call {
            HostCall::Proxy(call) => self.proxy(*call).await,
            HostCall::UncontrolledFetch(call) => self.fetch(call).await,
            HostCall::PaginationSettings {
                provider_config_key,
            } => self.pagination(provider_config_key.as_deref()).await,
            HostCall::GetConnection {
                provider_config_key,
                connection_id,
                force_refresh,
                refresh_token,
                refresh_github_app_jwt_token: _,
            } => {
                let target =
                    self.target(provider_config_key.as_deref(), connection_id.as_deref())?;
                self.connection(&target, force_refresh, refresh_token).await
            }
            HostCall::GetToken => self.token().await,
            HostCall::GetMetadata => self.metadata().await,
            HostCall::SetMetadata { metadata } => self.set_metadata(metadata, false).await,
            HostCall::UpdateMetadata { metadata } => self.set_metadata(metadata, true).await,
            HostCall::GetIntegration { include } => self.integration(&include).await,
            HostCall::GetEnvironmentVariables => self.variables().await,
            HostCall::TriggerAction {
                provider_config_key,
                connection_id,
                action,
                input,
            } => {
                self.trigger_action(&provider_config_key, &connection_id, action, input)
                    .await
            }
            HostCall::TriggerSync {
                provider_config_key,
                connection_id,
                sync,
                options,
            } => {
                self.trigger_sync(&provider_config_key, &connection_id, &sync, &options)
                    .await
            }
            HostCall::StartSync {
                provider_config_key,
                syncs,
                connection_id,
            } => {
                self.start_sync(&provider_config_key, &syncs, connection_id.as_deref())
                    .await
            }
            HostCall::Log {
                level,
                message,
                payload,
            } => {
                self.log(level, message, payload.as_ref());
                Ok(HostReply::Done)
            }
            HostCall::BatchSave { model, records } => self.save(&model, records).await,
            HostCall::BatchUpdate { model, records } => self.update(&model, records).await,
            HostCall::BatchDelete { model, records } => self.delete(&model, records).await,
            HostCall::RejectRecords { model, records } => self.reject(&model, records).await,
            HostCall::GetRecordsByIds { model, ids } => self.records_by_ids(&model, &ids).await,
            HostCall::ListRecords { model, cursor } => {
                self.list_records(&model, cursor.as_deref()).await
            }
            HostCall::SetMergingStrategy { model, strategy } => {
                self.set_merging_strategy(&model, strategy).await
            }
            HostCall::TrackDeletesStart { model } => self.track_deletes_start(&model).await,
            HostCall::TrackDeletesEnd { model } => self.track_deletes_end(&model).await,
            HostCall::DeleteRecordsFromPreviousExecutions { model } => {
                self.delete_previous(&model).await
            }
            HostCall::GetCheckpoint => self.get_checkpoint().await,
            HostCall::SaveCheckpoint { checkpoint } => self.save_checkpoint(Some(checkpoint)).await,
            HostCall::ClearCheckpoint => self.save_checkpoint(None).await,
            HostCall::TryAcquireLock { key, ttl_ms } => self.take_lock(key, ttl_ms).await,
            HostCall::ReleaseLock { key } => self.drop_lock(key).await,
            HostCall::ReleaseAllLocks => self.drop_locks().await,
        }
    }
}

fn integration_key(text: &str) -> Result<IntegrationKey, HostError> {
    IntegrationKey::parse(text).map_err(|error| plain_error(format!("the integration id {error}")))
}

fn connection_key(text: &str) -> Result<ConnectionId, HostError> {
    ConnectionId::parse(text).map_err(|error| plain_error(format!("the connection id {error}")))
}

/// A name, `name::variant`, or `{name, variant}`.
fn sync_name(sync: &Value) -> Result<commands::SyncName, HostError> {
    commands::SyncName::from_json(sync)
        .ok_or_else(|| plain_error("a sync is a name or `{name, variant}`".to_owned()))
}

pub(crate) fn store_error(error: StoreError) -> HostError {
    tracing::error!(%error, "store failed under a function");
    plain_error("the platform could not answer; try again".to_owned())
}

fn plain_error(message: String) -> HostError {
    HostError {
        code: String::new(),
        message,
        response: None,
        kind: HostErrorKind::Plain,
    }
}

fn sdk_error(code: &str, message: &str) -> HostError {
    HostError {
        code: code.to_owned(),
        message: message.to_owned(),
        response: None,
        kind: HostErrorKind::Sdk,
    }
}

/// An answer of our own API, as the SDK would have got it over HTTP.
fn api_error((status, body): (u16, Value), path: &str) -> HostError {
    let body = serde_json::to_vec(&body).expect("an answer is plain data with text keys");
    HostError {
        code: "ERR_BAD_RESPONSE".to_owned(),
        message: format!("Request failed with status code {status}"),
        response: Some(Box::new(HttpReply {
            status,
            status_text: String::new(),
            headers: vec![(
                "content-type".to_owned(),
                "application/json; charset=utf-8".to_owned(),
            )],
            body: body.into(),
            url: path.to_owned(),
            ..HttpReply::default()
        })),
        kind: HostErrorKind::Http,
    }
}
