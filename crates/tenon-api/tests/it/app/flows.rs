//! Deploying functions, and what they announced.

use std::time::Duration;

use serde_json::{Value, json};
use tenon_engine::delivery;

use super::{Answer, TestApp};

/// A function as the command line sends it.
#[derive(Clone)]
pub(crate) struct Flow(pub(crate) Value);

/// A sync of the integration `crm` with the model `Item`, hourly, started by itself.
pub(crate) fn sync(name: &str) -> Flow {
    Flow(json!({
        "type": "sync",
        "syncName": name,
        "providerConfigKey": "crm",
        "models": ["Item"],
        "runs": "every hour",
        "version": "",
        "track_deletes": false,
        "auto_start": true,
        "attributes": {},
        "metadata": {},
        "sync_type": "full",
        "fileBody": { "js": format!("// {name}"), "ts": format!("// {name} in TypeScript") },
        "endpoints": [],
        "webhookSubscriptions": [],
        "models_json_schema": { "definitions": { "Item": {} } },
        "features": [],
    }))
}

/// An action of the integration `crm`.
pub(crate) fn action(name: &str) -> Flow {
    Flow(json!({
        "type": "action",
        "syncName": name,
        "providerConfigKey": "crm",
        "models": ["Out"],
        "input": "In",
        "runs": null,
        "version": "",
        "track_deletes": false,
        "metadata": {},
        "fileBody": { "js": format!("// {name}"), "ts": format!("// {name} in TypeScript") },
        "endpoints": [],
        "models_json_schema": { "definitions": { "In": {}, "Out": {} } },
        "features": [],
    }))
}

impl Flow {
    /// Sets a member.
    pub(crate) fn with(mut self, name: &str, value: Value) -> Self {
        self.0[name] = value;
        self
    }

    /// Removes a member.
    pub(crate) fn without(mut self, name: &str) -> Self {
        let object = self.0.as_object_mut().expect("a flow is an object");
        object.remove(name);
        self
    }

    /// Other code.
    pub(crate) fn code(self, javascript: &str) -> Self {
        self.with("fileBody", json!({ "js": javascript, "ts": "// code" }))
    }

    /// Other models.
    pub(crate) fn models(self, models: &[&str]) -> Self {
        let definitions: Value = models
            .iter()
            .map(|model| ((*model).to_owned(), json!({})))
            .collect::<serde_json::Map<_, _>>()
            .into();
        self.with("models", json!(models))
            .with("models_json_schema", json!({ "definitions": definitions }))
    }
}

/// The body of a deploy of these functions, which speaks for the integration.
pub(crate) fn body(flows: &[Flow]) -> Value {
    let flows: Vec<&Value> = flows.iter().map(|flow| &flow.0).collect();
    json!({
        "flowConfigs": flows,
        "deployMode": "integration",
        "reconcile": true,
        "debug": false,
        "nangoYamlBody": "",
        "source": "repo",
        "sdkVersion": "0.71.10-zero",
    })
}

impl TestApp {
    /// Deploys functions; the integration `crm` is made first if it is missing.
    pub(crate) async fn deploy_flows(&self, flows: &[Flow]) -> Value {
        if self.get("/integrations/crm").await.status() == 404 {
            self.integration("crm", "none").await;
        }
        let answer = self.deploy_body(body(flows)).await;
        assert_eq!(answer.status(), 200, "{}", answer.text());
        answer.json()
    }

    /// Deploys whatever this is.
    pub(crate) async fn deploy_body(&self, body: Value) -> Answer {
        self.post("/sync/deploy", body).await
    }

    /// Bodies of all webhooks of a kind so far, the oldest first.
    pub(crate) async fn webhooks(&self, kind: &str) -> Vec<Value> {
        let events = delivery::events_after(&self.engine, self.environment.pk, 0, 1_000)
            .await
            .expect("the feed can be read");
        events
            .iter()
            .filter(|event| event.kind == kind)
            .map(|event| serde_json::from_slice(&event.body).expect("bodies are JSON"))
            .collect()
    }

    /// The status of the first sync of this name on the connection.
    pub(crate) async fn sync_status(&self, name: &str, connection: &str) -> Value {
        let path =
            format!("/sync/status?syncs={name}&provider_config_key=crm&connection_id={connection}");
        let answer = self.get(&path).await;
        assert_eq!(answer.status(), 200, "{}", answer.text());
        answer.json()["syncs"][0].clone()
    }

    /// Sends a command about syncs of the connection `alice`.
    pub(crate) async fn command(&self, command: &str, syncs: Value) -> Answer {
        let body = json!({
            "syncs": syncs,
            "provider_config_key": "crm",
            "connection_id": "alice",
        });
        self.post(&format!("/sync/{command}"), body).await
    }

    /// Lets time pass and does what is due then.
    pub(crate) async fn pass(&self, time: Duration) {
        self.clock.advance(time);
        self.run_until_idle().await;
    }
}
