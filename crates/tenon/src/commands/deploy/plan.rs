//! What a deployment changes, as the server sees it.

use std::fmt;

use serde::Deserialize;

/// Answer to `POST /sync/deploy/confirmation` (cli.md, 4).
#[derive(Clone, Debug, Default, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub(crate) struct Plan {
    new_syncs: Vec<Item>,
    updated_syncs: Vec<Item>,
    deleted_syncs: Vec<Item>,
    new_actions: Vec<Item>,
    updated_actions: Vec<Item>,
    deleted_actions: Vec<Item>,
    deleted_models: Vec<String>,
    new_on_event_scripts: Vec<Item>,
    updated_on_event_scripts: Vec<Item>,
    deleted_on_event_scripts: Vec<Item>,
}

#[derive(Clone, Debug, Deserialize)]
#[serde(rename_all = "camelCase")]
struct Item {
    name: String,
    provider_config_key: String,
    #[serde(default)]
    connections: u64,
    #[serde(default)]
    event: Option<String>,
}

impl Plan {
    /// What it deletes that matters, as the end of a sentence about the deployment.
    pub(crate) fn destroys(&self) -> Option<String> {
        let syncs: Vec<String> = self
            .deleted_syncs
            .iter()
            .filter(|sync| sync.connections > 0)
            .map(|sync| {
                let Item {
                    name,
                    provider_config_key,
                    connections,
                    ..
                } = sync;
                format!("sync `{provider_config_key}/{name}` with {connections} connections")
            })
            .collect();
        let models = self
            .deleted_models
            .iter()
            .map(|model| format!("model `{model}` and its records"));
        let all: Vec<String> = syncs.into_iter().chain(models).collect();
        (!all.is_empty()).then(|| format!("deletes {}", all.join(", ")))
    }

    fn rows(&self) -> [(char, &'static str, &[Item]); 9] {
        [
            ('+', "sync", &self.new_syncs),
            ('~', "sync", &self.updated_syncs),
            ('-', "sync", &self.deleted_syncs),
            ('+', "action", &self.new_actions),
            ('~', "action", &self.updated_actions),
            ('-', "action", &self.deleted_actions),
            ('+', "on-event", &self.new_on_event_scripts),
            ('~', "on-event", &self.updated_on_event_scripts),
            ('-', "on-event", &self.deleted_on_event_scripts),
        ]
    }
}

impl fmt::Display for Plan {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        let mut lines = Vec::new();
        for (sign, kind, items) in self.rows() {
            for item in items {
                let note = match (&item.event, item.connections) {
                    (Some(event), _) => format!(" ({event})"),
                    (None, 0) => String::new(),
                    (None, 1) => " (1 connection)".to_owned(),
                    (None, count) => format!(" ({count} connections)"),
                };
                lines.push(format!(
                    "  {sign} {kind:<8} {}/{}{note}",
                    item.provider_config_key, item.name
                ));
            }
        }
        lines.extend(
            self.deleted_models
                .iter()
                .map(|model| format!("  - model    {model}")),
        );
        if lines.is_empty() {
            lines.push("  nothing changes".to_owned());
        }
        formatter.write_str(&lines.join("\n"))
    }
}

#[cfg(test)]
mod tests {
    use super::Plan;

    #[test]
    fn a_plan_reads_as_lines() {
        let plan: Plan = serde_json::from_str(
            r#"{"newSyncs":[{"name":"issues","providerConfigKey":"github","connections":2,"auto_start":true}],
                "deletedSyncs":[{"name":"old","providerConfigKey":"github","connections":0,"auto_start":true}],
                "updatedActions":[{"name":"close","providerConfigKey":"github"}],
                "newOnEventScripts":[{"name":"hello","providerConfigKey":"github","event":"post-connection-creation"}],
                "deletedModels":[]}"#,
        )
        .unwrap();
        assert_eq!(
            plan.to_string(),
            "  + sync     github/issues (2 connections)\n  - sync     github/old\n  ~ action   github/close\n  + on-event github/hello (post-connection-creation)"
        );
        assert_eq!(plan.destroys(), None);
    }

    #[test]
    fn deleting_what_holds_data_is_destructive() {
        let plan: Plan = serde_json::from_str(
            r#"{"deletedSyncs":[{"name":"old","providerConfigKey":"github","connections":3}],"deletedModels":["Issue"]}"#,
        )
        .unwrap();
        assert_eq!(
            plan.destroys().as_deref(),
            Some("deletes sync `github/old` with 3 connections, model `Issue` and its records")
        );
    }
}
