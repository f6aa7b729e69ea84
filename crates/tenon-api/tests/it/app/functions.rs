//! Functions that are Rust closures: deployed like any other, run without JavaScript.

use std::{
    collections::HashMap,
    pin::Pin,
    sync::{Arc, Mutex, PoisonError},
};

use tenon_core::function::{
    BuildFailure, Built, FunctionRunner, Host, RunFailure, RunOutcome, RunRequest, SourceCode,
};

type Run = Pin<Box<dyn Future<Output = RunOutcome> + Send>>;
type Closure = Arc<dyn Fn(RunRequest, Arc<dyn Host>) -> Run + Send + Sync>;

type Builder = Arc<dyn Fn(SourceCode) -> Result<Built, BuildFailure> + Send + Sync>;

/// What the functions of a test do, by their names.
#[derive(Clone, Default)]
pub(crate) struct Functions(
    Arc<Mutex<HashMap<String, Closure>>>,
    Arc<Mutex<Option<Builder>>>,
);

impl Functions {
    /// Says what becomes of source.
    pub(crate) fn builds(
        &self,
        builder: impl Fn(SourceCode) -> Result<Built, BuildFailure> + Send + Sync + 'static,
    ) {
        *self.1.lock().unwrap_or_else(PoisonError::into_inner) = Some(Arc::new(builder));
    }

    /// Says what the function of this name does when it runs.
    pub(crate) fn on<F, Fut>(&self, name: &str, closure: F)
    where
        F: Fn(RunRequest, Arc<dyn Host>) -> Fut + Send + Sync + 'static,
        Fut: Future<Output = RunOutcome> + Send + 'static,
    {
        let closure: Closure = Arc::new(move |request, host| Box::pin(closure(request, host)));
        self.0
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
            .insert(name.to_owned(), closure);
    }
}

#[async_trait::async_trait]
impl FunctionRunner for Functions {
    async fn run(&self, request: RunRequest, host: Arc<dyn Host>) -> RunOutcome {
        let closure = self
            .0
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
            .get(&request.context.function)
            .cloned();
        match closure {
            Some(closure) => closure(request, host).await,
            None => RunOutcome::Failed(RunFailure {
                kind: "script_internal_error".to_owned(),
                message: format!("the test says nothing about `{}`", request.context.function),
                payload: serde_json::Value::Null,
                status: 500,
                additional_properties: None,
            }),
        }
    }

    async fn build(&self, source: SourceCode) -> Result<Built, BuildFailure> {
        let builder = self
            .1
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
            .clone();
        builder.map_or(Err(BuildFailure::Unavailable), |builder| builder(source))
    }
}

/// The function returned this.
pub(crate) fn succeeded(output: &serde_json::Value) -> RunOutcome {
    RunOutcome::Succeeded {
        output: output.to_string().into(),
    }
}

/// The function threw.
pub(crate) fn failed(kind: &str, message: &str) -> RunOutcome {
    RunOutcome::Failed(RunFailure {
        kind: kind.to_owned(),
        message: message.to_owned(),
        payload: serde_json::json!({ "message": message }),
        status: 500,
        additional_properties: None,
    })
}
