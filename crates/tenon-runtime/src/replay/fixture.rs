//! A `*.test.json` file (functions.md, 5.1).

use std::collections::HashMap;

use indexmap::IndexMap;
use serde::de::IgnoredAny;
use serde_json::{Map, Value, value::RawValue};

use super::identity::{self, Identity};

/// Why a fixture cannot be used.
#[derive(Debug, thiserror::Error)]
pub enum FixtureError {
    #[error("this is not JSON")]
    NotJson(#[from] serde_json::Error),
    #[error("a fixture is a JSON object with `api` and `nango`")]
    NotAFixture,
}

/// A recorded answer with the request it belongs to. Texts are kept as they stand in the file, so that the function
/// reads the very numbers that were recorded.
pub(super) type Entry = IndexMap<String, Box<RawValue>>;

/// Answers by method and path.
type Api = HashMap<String, HashMap<String, Vec<Entry>>>;

/// What was recorded of one run.
#[derive(Clone, Debug)]
pub struct Fixture {
    input: Option<Value>,
    output: Option<Value>,
    nango: Map<String, Value>,
    api: Api,
}

impl Fixture {
    /// Reads the text of a fixture file.
    pub fn parse(text: &str) -> Result<Self, FixtureError> {
        if !text.trim_start().starts_with('{') {
            serde_json::from_str::<IgnoredAny>(text)?;
            return Err(FixtureError::NotAFixture);
        }
        let fields: IndexMap<String, Box<RawValue>> = serde_json::from_str(text)?;
        let value = |key: &str| {
            let text = fields.get(key)?;
            serde_json::from_str::<Value>(text.get()).ok()
        };
        let nango = match value("nango") {
            None => Map::new(),
            Some(Value::Object(nango)) => nango,
            Some(_) => return Err(FixtureError::NotAFixture),
        };
        let api = fields.get("api").map(|text| api(text)).transpose()?;
        Ok(Self {
            input: value("input"),
            output: value("output"),
            nango,
            api: api.unwrap_or_default(),
        })
    }

    /// The same with other answers of the SDK.
    #[must_use]
    pub fn with_answers(mut self, answers: Map<String, Value>) -> Self {
        self.nango.extend(answers);
        self
    }

    /// Input of an action.
    pub fn input(&self) -> Option<&Value> {
        self.input.as_ref()
    }

    /// Output of an action.
    pub fn output(&self) -> Option<&Value> {
        self.output.as_ref()
    }

    /// Name of the provider that it was recorded with, if that was noted.
    pub fn provider(&self) -> Option<&str> {
        self.nango.get("getConnection")?.get("provider")?.as_str()
    }

    /// What the SDK answered: `getConnection`, `getMetadata`.
    pub(super) fn answer(&self, member: &str) -> Option<&Value> {
        self.nango.get(member)
    }

    /// Records of `batchSave` or `batchDelete` by model.
    pub(super) fn batches(&self, member: &str) -> Option<&Map<String, Value>> {
        self.answer(member)?.as_object()
    }

    /// The recorded answer to a request, if there is one (functions.md, 5.4).
    pub(super) fn find(&self, request: &Identity) -> Option<&Entry> {
        let paths = self.api.get(&request.method)?;
        let candidates = paths
            .get(&request.endpoint)
            .or_else(|| paths.get(&format!("/{}", request.endpoint)))?;
        let only = candidates.len() == 1;
        let hash = request.hash();
        candidates
            .iter()
            .find(|candidate| matches(candidate, request, &hash, only))
    }
}

fn api(text: &RawValue) -> Result<Api, FixtureError> {
    let methods: HashMap<String, HashMap<String, Box<RawValue>>> =
        serde_json::from_str(text.get())?;
    let mut api = Api::new();
    for (method, paths) in methods {
        let recorded = api.entry(method).or_default();
        for (path, text) in paths {
            let entries = if text.get().starts_with('[') {
                serde_json::from_str(text.get())?
            } else {
                vec![serde_json::from_str(text.get())?]
            };
            recorded.insert(path, entries);
        }
    }
    Ok(api)
}

fn matches(candidate: &Entry, request: &Identity, hash: &str, only: bool) -> bool {
    let field = |name: &str| {
        let text = candidate.get(name)?;
        serde_json::from_str::<Value>(text.get()).ok()
    };
    if field("hash").as_ref().and_then(Value::as_str) == Some(hash) {
        return true;
    }
    match field("request") {
        Some(Value::Object(recorded)) => same_request(&recorded, request),
        _ => only && request.params.is_empty(),
    }
}

fn same_request(recorded: &Map<String, Value>, request: &Identity) -> bool {
    same_params(recorded.get("params"), request)
        && same_headers(recorded.get("headers"), request)
        && same_data(recorded.get("data"), request)
}

fn same_params(recorded: Option<&Value>, request: &Identity) -> bool {
    let empty = Map::new();
    let recorded = recorded.and_then(Value::as_object).unwrap_or(&empty);
    recorded.len() == request.params.len()
        && recorded.iter().all(|(key, value)| {
            let value = identity::text_of(value);
            request
                .params
                .iter()
                .any(|(name, sent)| name == key && *sent == value)
        })
}

/// Header names count in lower case; the content type of forms does not count.
fn same_headers(recorded: Option<&Value>, request: &Identity) -> bool {
    let recorded = recorded.and_then(Value::as_object).into_iter().flatten();
    let recorded = recorded.map(|(name, value)| (name.to_lowercase(), identity::text_of(value)));
    let sent = request
        .headers
        .iter()
        .map(|(name, value)| (name.to_lowercase(), value.clone()));
    comparable(recorded) == comparable(sent)
}

fn comparable(headers: impl Iterator<Item = (String, String)>) -> Vec<(String, String)> {
    let mut headers: Vec<(String, String)> = headers
        .filter(|(name, value)| !(name == "content-type" && identity::is_form(value)))
        .collect();
    headers.sort();
    headers
}

fn same_data(recorded: Option<&Value>, request: &Identity) -> bool {
    match recorded {
        None => true,
        Some(Value::String(hashed)) if hashed.starts_with("sha1:") => {
            request.data.as_deref() == Some(hashed)
        }
        Some(data) => identity::of_data(data) == request.data,
    }
}

#[cfg(test)]
mod tests {
    use tenon_core::function::{ProxyBody, ProxyCall, ProxyParams};

    use super::{Fixture, Identity};

    fn call(params: &[(&str, &str)], body: ProxyBody) -> Identity {
        let pairs = params
            .iter()
            .map(|(key, value)| ((*key).to_owned(), (*value).to_owned()))
            .collect();
        Identity::of(&ProxyCall {
            endpoint: "/v1/items".to_owned(),
            method: "POST".to_owned(),
            params: Some(ProxyParams::Pairs(pairs)),
            body,
            ..ProxyCall::default()
        })
    }

    fn answer(fixture: &str, request: &Identity) -> Option<i64> {
        let fixture = Fixture::parse(fixture).unwrap();
        fixture
            .find(request)
            .map(|entry| entry["response"].get().parse().unwrap())
    }

    #[test]
    fn a_request_is_found_by_its_parts() {
        let fixture = r#"{"api":{"post":{"/v1/items":[
            {"response":1,"request":{"params":{"page":"1"},"data":{"a":1.0,"2":0,"1":0}}},
            {"response":2,"request":{"params":{"page":2}}},
            {"response":3,"request":{"params":{"page":"2"},"headers":{"X":"y"}}}
        ]}}}"#;
        let json = |text: &'static str| ProxyBody::Json(text.into());
        let page_one = call(&[("page", "1")], json(r#"{"1":0,"2":0,"a":1}"#));
        assert_eq!(answer(fixture, &page_one), Some(1));
        let other_order = call(&[("page", "1")], json(r#"{"a":1,"1":0,"2":0}"#));
        assert_eq!(answer(fixture, &other_order), None);
        assert_eq!(
            answer(fixture, &call(&[("page", "2")], json("[1]"))),
            Some(2)
        );
        assert_eq!(
            answer(fixture, &call(&[("page", "3")], ProxyBody::Empty)),
            None
        );
        assert_eq!(answer(fixture, &call(&[], ProxyBody::Empty)), None);
    }

    #[test]
    fn a_bare_entry_answers_when_it_is_alone_and_nothing_is_asked() {
        let alone = r#"{"api":{"post":{"v1/items":{"response":1}}}}"#;
        assert_eq!(answer(alone, &call(&[], ProxyBody::Empty)), Some(1));
        assert_eq!(answer(alone, &call(&[("a", "b")], ProxyBody::Empty)), None);
        let two = r#"{"api":{"post":{"v1/items":[{"response":1},{"response":2}]}}}"#;
        assert_eq!(answer(two, &call(&[], ProxyBody::Empty)), None);
    }

    #[test]
    fn a_hash_decides_first() {
        let request = call(&[("page", "9")], ProxyBody::Empty);
        let fixture = format!(
            r#"{{"api":{{"post":{{"/v1/items":[{{"response":1,"request":{{"params":{{"page":"8"}}}}}},
                {{"response":2,"hash":"{}","request":{{"params":{{"page":"8"}}}}}}]}}}}}}"#,
            request.hash()
        );
        assert_eq!(answer(&fixture, &request), Some(2));
    }
}
