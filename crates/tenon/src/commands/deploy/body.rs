//! The body of the two deployment requests (cli.md, 4).

use serde_json::{Map, Value, json};
use tenon_core::function::FunctionKind;
use tenon_runtime::compile::deployment::{flow_config, on_event_script};

use crate::commands::compile::{CompiledFunction, Selection};

/// Level of the protocol that we speak; `zero` marks functions without nango.yaml.
const SDK_VERSION: &str = "0.71.10-zero";

/// What is deployed, ready to be sent.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct DeployBody(Map<String, Value>);

impl DeployBody {
    /// The deployment of these functions.
    pub(crate) fn new(
        functions: &[CompiledFunction],
        selection: &Selection,
        version: Option<&str>,
    ) -> Self {
        let mode = selection.deploy_mode();
        let flows: Vec<Value> = functions
            .iter()
            .filter(|function| function.definition.kind != FunctionKind::OnEvent)
            .map(|function| flow_config(&function.definition, &function.bundled, version))
            .collect();
        let mut body = Map::new();
        body.insert("flowConfigs".to_owned(), flows.into());
        if mode != "single" {
            body.insert(
                "onEventScriptsByProvider".to_owned(),
                on_event_scripts(functions),
            );
        }
        body.insert("deployMode".to_owned(), mode.into());
        body.insert("reconcile".to_owned(), false.into());
        body.insert("debug".to_owned(), false.into());
        body.insert("sdkVersion".to_owned(), SDK_VERSION.into());
        Self(body)
    }

    /// For `POST /sync/deploy/confirmation`.
    pub(crate) fn to_confirm(&self) -> Value {
        Value::Object(self.0.clone())
    }

    /// For `POST /sync/deploy`.
    pub(crate) fn to_deploy(&self) -> Value {
        let mut body = self.0.clone();
        body.insert("reconcile".to_owned(), true.into());
        body.insert("nangoYamlBody".to_owned(), "".into());
        body.insert("source".to_owned(), "repo".into());
        Value::Object(body)
    }
}

fn on_event_scripts(functions: &[CompiledFunction]) -> Value {
    let mut by_integration: Vec<(&str, Vec<Value>)> = Vec::new();
    for function in functions {
        let definition = &function.definition;
        if definition.kind != FunctionKind::OnEvent {
            continue;
        }
        let script = on_event_script(definition, &function.bundled);
        let integration = definition.integration.as_str();
        match by_integration
            .iter_mut()
            .find(|(name, _)| *name == integration)
        {
            Some((_, scripts)) => scripts.push(script),
            None => by_integration.push((integration, vec![script])),
        }
    }
    by_integration
        .into_iter()
        .map(|(integration, scripts)| json!({ "providerConfigKey": integration, "scripts": scripts }))
        .collect()
}
