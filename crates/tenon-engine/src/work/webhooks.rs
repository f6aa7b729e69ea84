//! Bodies of the webhooks that runs cause (webhooks.md, 1.4 and 1.5).

use serde_json::{Value, json};
use tenon_core::{
    Timestamp,
    function::{RecordCounts, RunFailure},
};
use tenon_store::work::subjects::{Subject, SubjectSync};

use super::kind::TaskKind;

/// What all webhooks of one run of a sync share.
pub(crate) struct SyncWebhook<'a> {
    pub subject: &'a Subject,
    pub sync: &'a SubjectSync,
    pub kind: TaskKind,
    pub checkpoints: Option<&'a (Value, Value)>,
    pub started_at: Timestamp,
}

impl SyncWebhook<'_> {
    fn base(&self, model: &str, success: bool) -> Value {
        let sync_type = match (self.kind, self.sync.last_sync_at) {
            (TaskKind::Webhook, _) => "WEBHOOK",
            (_, None) => "INITIAL",
            (_, Some(_)) => "INCREMENTAL",
        };
        let mut body = json!({
            "from": "nango",
            "type": "sync",
            "connectionId": self.subject.connection_id,
            "providerConfigKey": self.subject.integration_key,
            "syncName": self.sync.name,
            "syncVariant": self.sync.variant,
            "model": model,
            "syncType": sync_type,
            "success": success,
        });
        if let Some((from, to)) = self.checkpoints
            && !(from.is_null() && to.is_null())
        {
            body["checkpoints"] = json!({ "from": from, "to": to });
        }
        body
    }

    /// What changed in one model. `since`: the earliest change that was not announced yet.
    pub(crate) fn success(
        &self,
        model: &str,
        counts: RecordCounts,
        since: Option<Timestamp>,
    ) -> Value {
        let after = since.map_or(self.started_at, |since| since.min(self.started_at));
        let after = after.iso_millis();
        let mut body = self.base(model, true);
        body["responseResults"] = json!({
            "added": counts.added,
            "updated": counts.updated,
            "deleted": counts.deleted,
        });
        body["modifiedAfter"] = json!(after);
        body["queryTimeStamp"] = json!(after);
        body
    }

    /// The run failed; `models` are all that it was to fill, none if it was cancelled.
    pub(crate) fn failure(
        &self,
        models: &[String],
        failure: &RunFailure,
        failed_at: Timestamp,
    ) -> Value {
        let mut body = self.base(&models.join(","), false);
        body["error"] = json!({ "type": "script_error", "description": failure.message });
        if !failure.payload.is_null() {
            body["error"]["payload"] = failure.payload.clone();
        }
        if let Some(additional) = &failure.additional_properties {
            body["error"]["additional_properties"] = Value::Object(additional.clone());
        }
        body["startedAt"] = json!(self.started_at.iso_millis());
        body["failedAt"] = json!(failed_at.iso_millis());
        body
    }
}

/// An asynchronous action ended; its result is fetched by id.
pub(crate) fn async_action(subject: &Subject, id: &str) -> Value {
    json!({
        "from": "nango",
        "type": "async_action",
        "connectionId": subject.connection_id,
        "providerConfigKey": subject.integration_key,
        "payload": { "id": id, "statusUrl": format!("/action/{id}") },
    })
}
