//! What a run against a real API asked and did, on its way to a fixture (functions.md, 5.7).

use std::collections::HashSet;

use serde_json::{Map, Value, json};
use tenon_core::function::{HttpReply, ProxyCall};

use super::identity::Identity;

/// Headers of answers that are never written down: secrets, and what belongs to the way and not to the answer.
const LEFT_OUT: [&str; 13] = [
    "set-cookie",
    "authorization",
    "www-authenticate",
    "content-length",
    "content-encoding",
    "transfer-encoding",
    "connection",
    "keep-alive",
    "date",
    "strict-transport-security",
    "x-content-type-options",
    "x-frame-options",
    "referrer-policy",
];

/// Beginning of headers that browsers read, and nobody else.
const LEFT_OUT_BEGINNING: &str = "access-control-";

/// A fixture that grows while a function runs.
#[derive(Clone, Debug, Default)]
pub struct Recording {
    api: Map<String, Value>,
    /// Hashes by path: the same question is written down once.
    known: HashSet<(String, String)>,
    saved: Map<String, Value>,
    deleted: Map<String, Value>,
}

/// What stands in a fixture besides requests and records.
#[derive(Clone, Debug, Default)]
pub struct Recorded {
    /// Input and output of an action.
    pub input: Option<Value>,
    pub output: Option<Value>,
    /// What `getConnection` answers; no secrets.
    pub connection: Value,
    pub metadata: Value,
    /// Models of a sync: each stands in the fixture, written or not.
    pub models: Vec<String>,
}

impl Recording {
    /// Notes a request and its answer.
    pub fn answered(&mut self, call: &ProxyCall, reply: &HttpReply) {
        let identity = Identity::of(call);
        let (path, hash) = (format!("/{}", identity.endpoint), identity.hash());
        let key = (format!("{} {path}", identity.method), hash.clone());
        if !self.known.insert(key) {
            return;
        }
        let entry = json!({
            "response": body(reply),
            "status": reply.status,
            "headers": headers(reply),
            "hash": hash,
            "request": request(&identity),
        });
        let method = self.api.entry(identity.method).or_insert_with(|| json!({}));
        let place = &mut method[path];
        *place = match place.take() {
            Value::Null => entry,
            Value::Array(entries) => with(entries, entry),
            one => with(vec![one], entry),
        };
    }

    /// Notes a record that was handed to `batchSave`.
    pub fn saved(&mut self, model: &str, record: Value) {
        push(&mut self.saved, model, record);
    }

    /// Notes a record that was handed to `batchDelete`.
    pub fn deleted(&mut self, model: &str, record: Value) {
        push(&mut self.deleted, model, record);
    }

    /// The text of the fixture.
    pub fn into_text(self, rest: Recorded) -> String {
        let mut nango = Map::new();
        if !rest.models.is_empty() {
            for (member, mut batches) in [("batchSave", self.saved), ("batchDelete", self.deleted)]
            {
                for model in &rest.models {
                    batches.entry(model.as_str()).or_insert_with(|| json!([]));
                }
                nango.insert(member.to_owned(), batches.into());
            }
        }
        nango.insert("getConnection".to_owned(), rest.connection);
        nango.insert("getMetadata".to_owned(), rest.metadata);
        let mut fixture = Map::new();
        let parts = [("input", rest.input), ("output", rest.output)];
        for (key, value) in parts {
            if let Some(value) = value {
                fixture.insert(key.to_owned(), value);
            }
        }
        fixture.insert("nango".to_owned(), nango.into());
        fixture.insert("api".to_owned(), self.api.into());
        let text = serde_json::to_string_pretty(&fixture);
        format!("{}\n", text.expect("plain data with text keys"))
    }
}

/// An entry without data answers any body, so it stands behind those that have some.
fn with(mut entries: Vec<Value>, entry: Value) -> Value {
    let has_data = |entry: &Value| entry["request"].get("data").is_some();
    let place = match has_data(&entry) {
        true => entries.iter().position(|entry| !has_data(entry)),
        false => None,
    };
    entries.insert(place.unwrap_or(entries.len()), entry);
    entries.into()
}

fn push(batches: &mut Map<String, Value>, model: &str, record: Value) {
    let batch = batches.entry(model).or_insert_with(|| json!([]));
    if let Value::Array(records) = batch {
        records.push(record);
    }
}

fn body(reply: &HttpReply) -> Value {
    serde_json::from_slice(&reply.body)
        .unwrap_or_else(|_| String::from_utf8_lossy(&reply.body).into_owned().into())
}

fn headers(reply: &HttpReply) -> Value {
    let mut headers = Map::new();
    for (name, value) in &reply.headers {
        if LEFT_OUT.contains(&name.as_str()) || name.starts_with(LEFT_OUT_BEGINNING) {
            continue;
        }
        let joined = match headers.get(name).and_then(Value::as_str) {
            Some(first) => format!("{first}, {value}"),
            None => value.clone(),
        };
        headers.insert(name.clone(), joined.into());
    }
    headers.into()
}

fn request(identity: &Identity) -> Value {
    let object = |pairs: &[(String, String)]| -> Map<String, Value> {
        let pairs = pairs.iter();
        pairs
            .map(|(key, value)| (key.clone(), value.as_str().into()))
            .collect()
    };
    let mut request = json!({
        "params": object(&identity.params),
        "headers": object(&identity.headers),
    });
    if let Some(data) = &identity.data {
        request["data"] = serde_json::from_str(data).unwrap_or_else(|_| data.as_str().into());
    }
    request
}

#[cfg(test)]
mod tests {
    use serde_json::{Value, json};
    use tenon_core::function::{HttpReply, ProxyBody, ProxyCall, ProxyParams};

    use super::{super::fixture::Fixture, Identity, Recorded, Recording};

    fn call(page: &str, body: ProxyBody) -> ProxyCall {
        ProxyCall {
            endpoint: "v1/items".to_owned(),
            method: "POST".to_owned(),
            params: Some(ProxyParams::Pairs(vec![(
                "page".to_owned(),
                page.to_owned(),
            )])),
            body,
            ..ProxyCall::default()
        }
    }

    #[test]
    fn what_is_recorded_is_found_again() {
        let calls = [
            call("1", ProxyBody::Json(r#"{"b":1,"a":[2]}"#.into())),
            call("2", ProxyBody::Empty),
            call(
                "2",
                ProxyBody::Json(format!("\"{}\"", "x".repeat(2_000)).into()),
            ),
            call("3", ProxyBody::Text("plain".to_owned())),
        ];
        let mut recording = Recording::default();
        for (index, call) in calls.iter().enumerate() {
            let reply = HttpReply {
                status: 200,
                headers: vec![("set-cookie".to_owned(), "secret".to_owned())],
                body: index.to_string().into(),
                ..HttpReply::default()
            };
            recording.answered(call, &reply);
            recording.answered(call, &reply);
        }
        let text = recording.into_text(Recorded::default());
        assert!(!text.contains("secret"), "{text}");
        let whole: Value = serde_json::from_str(&text).unwrap();
        assert_eq!(
            whole["api"]["post"]["/v1/items"].as_array().unwrap().len(),
            4
        );
        let fixture = Fixture::parse(&text).unwrap();
        for (index, call) in calls.iter().enumerate() {
            let entry = fixture.find(&Identity::of(call)).unwrap();
            assert_eq!(entry["response"].get(), index.to_string());
        }
    }

    #[test]
    fn an_answer_without_body_is_an_empty_text() {
        let mut recording = Recording::default();
        let reply = HttpReply {
            status: 204,
            ..HttpReply::default()
        };
        recording.answered(&call("1", ProxyBody::Empty), &reply);
        let fixture: Value =
            serde_json::from_str(&recording.into_text(Recorded::default())).unwrap();
        assert_eq!(fixture["api"]["post"]["/v1/items"]["response"], "");
    }

    #[test]
    fn every_model_of_a_sync_stands_in_the_fixture() {
        let mut recording = Recording::default();
        recording.saved("Item", json!({ "id": "1" }));
        let text = recording.into_text(Recorded {
            models: vec!["Item".to_owned(), "Person".to_owned()],
            metadata: json!({ "team": 1 }),
            ..Recorded::default()
        });
        let fixture: Value = serde_json::from_str(&text).unwrap();
        assert_eq!(
            fixture["nango"]["batchSave"],
            json!({ "Item": [{ "id": "1" }], "Person": [] })
        );
        assert_eq!(
            fixture["nango"]["batchDelete"],
            json!({ "Person": [], "Item": [] })
        );
        assert_eq!(fixture["nango"]["getMetadata"], json!({ "team": 1 }));
    }
}
