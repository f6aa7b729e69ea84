//! Deploying functions the way the command line does.

use serde_json::{Value, json};

use super::TestApp;

/// A deployment to put together.
#[derive(Default)]
pub(crate) struct Deployment {
    functions: Vec<Value>,
    on_event: Vec<Value>,
}

impl Deployment {
    /// A sync that runs as often as `runs` says and starts with the connection.
    #[must_use]
    pub(crate) fn sync(
        mut self,
        integration: &str,
        name: &str,
        runs: &str,
        models: &[&str],
    ) -> Self {
        let definitions: serde_json::Map<String, Value> = models
            .iter()
            .map(|model| ((*model).to_owned(), json!({"type": "object"})))
            .collect();
        self.functions.push(json!({
            "type": "sync",
            "sync_type": "full",
            "syncName": name,
            "providerConfigKey": integration,
            "runs": runs,
            "models": models,
            "auto_start": true,
            "track_deletes": false,
            "endpoints": [],
            "features": [],
            "metadata": {},
            "attributes": {},
            "version": "1.0.0",
            "fileBody": {"js": format!("// {name}"), "ts": format!("// {name}")},
            "models_json_schema": {"definitions": definitions},
        }));
        self
    }

    /// A function that runs when something happens to a connection.
    #[must_use]
    pub(crate) fn on_event(mut self, integration: &str, name: &str, event: &str) -> Self {
        let script = json!({
            "name": name,
            "event": event,
            "fileBody": {"js": format!("// {name}"), "ts": format!("// {name}")},
        });
        self.on_event
            .push(json!({"providerConfigKey": integration, "scripts": [script]}));
        self
    }
}

impl TestApp {
    /// Deploys; what is not in it goes away.
    pub(crate) async fn deploy(&self, deployment: Deployment) {
        let body = json!({
            "flowConfigs": deployment.functions,
            "onEventScriptsByProvider": deployment.on_event,
            "reconcile": true,
            "debug": false,
            "nangoYamlBody": "",
            "sdkVersion": "0.71.10-zero",
        });
        let answer = self.post("/sync/deploy", body).await;
        assert_eq!(answer.status(), 200, "{}", answer.text());
    }
}
