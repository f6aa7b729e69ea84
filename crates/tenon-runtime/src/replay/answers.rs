//! Everything that was recorded of an API, ready to answer whoever asks: what `tenon simulate` serves.
//!
//! A replay compares what the function said. Here a request comes over the wire, with headers of the provider's template
//! and of HTTP itself, so headers do not count, and of the query only what was recorded.

use indexmap::IndexMap;
use serde_json::{Map, Value};
use tenon_core::function::{ProxyBody, ProxyCall};

use super::{
    fixture::FixtureError,
    identity::{self, Identity},
};

/// Methods that requests are recorded with.
const METHODS: [&str; 5] = ["get", "post", "put", "patch", "delete"];

/// Recorded answers of many fixtures.
#[derive(Clone, Debug, Default)]
pub struct Answers {
    /// By method in lower case, a space, and the path without leading slash.
    places: IndexMap<String, Vec<Recorded>>,
}

#[derive(Clone, Debug, PartialEq)]
struct Recorded {
    params: Vec<(String, String)>,
    /// As requests carry it: text, or `sha1:...` of a long one.
    data: Option<Value>,
    answer: Answer,
}

/// One recorded answer.
#[derive(Clone, Debug, PartialEq)]
pub struct Answer {
    pub status: u16,
    pub headers: Vec<(String, String)>,
    pub response: Value,
}

/// How well an answer fits its question.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Fit {
    /// The body is another one than the recorded one.
    OtherBody,
    /// No body was recorded.
    AnyBody,
    Exact,
}

/// A request as it came.
#[derive(Clone, Debug, Default)]
pub struct Question {
    pub method: String,
    /// Path and query.
    pub target: String,
    pub body: Vec<u8>,
}

impl Answers {
    /// Adds what a fixture holds.
    pub fn add(&mut self, fixture: &str) -> Result<(), FixtureError> {
        let fixture: Value = serde_json::from_str(fixture)?;
        if !fixture.is_object() {
            return Err(FixtureError::NotAFixture);
        }
        for (method, paths) in fixture["api"].as_object().into_iter().flatten() {
            for (path, entries) in paths.as_object().into_iter().flatten() {
                let entries = match entries {
                    Value::Array(entries) => entries.as_slice(),
                    one => std::slice::from_ref(one),
                };
                let key = key(method, path);
                let place = self.places.entry(key).or_default();
                for entry in entries {
                    let recorded = recorded(path, entry);
                    if !place.contains(&recorded) {
                        place.push(recorded);
                    }
                }
            }
        }
        Ok(())
    }

    /// How many answers there are.
    pub fn len(&self) -> usize {
        self.places.values().map(Vec::len).sum()
    }

    /// Whether there are none.
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// `GET /v1/items` for everything that is known.
    pub fn known(&self) -> impl Iterator<Item = String> {
        self.places.keys().map(|key| {
            let (method, path) = key.split_once(' ').unwrap_or((key, ""));
            format!("{} /{path}", method.to_uppercase())
        })
    }

    /// Every answer, to be changed.
    pub(super) fn each_mut(&mut self) -> impl Iterator<Item = &mut Answer> {
        let places = self.places.values_mut();
        places.flatten().map(|recorded| &mut recorded.answer)
    }

    /// Whether a request with this path was recorded, whatever its method.
    pub(super) fn knows(&self, path: &str) -> bool {
        let path = path.trim_start_matches('/');
        METHODS
            .iter()
            .any(|method| self.places.contains_key(&format!("{method} {path}")))
    }

    /// Whether a path that begins so was recorded.
    pub(super) fn knows_below(&self, prefix: &str) -> bool {
        let mut paths = self.places.keys().filter_map(|key| key.split_once(' '));
        paths.any(|(_, path)| path.starts_with(prefix))
    }

    /// The answer that fits best.
    pub fn find(&self, question: &Question) -> Option<(&Answer, Fit)> {
        let text = String::from_utf8_lossy(&question.body).into_owned();
        let asked = Identity::of(&ProxyCall {
            endpoint: question.target.clone(),
            method: question.method.clone(),
            body: if text.is_empty() {
                ProxyBody::Empty
            } else {
                ProxyBody::Text(text.clone())
            },
            ..ProxyCall::default()
        });
        let place = self
            .places
            .get(&format!("{} {}", asked.method, asked.endpoint))?;
        // A parameter that some recording has means something: its absence elsewhere does, too.
        let meant: Vec<&(String, String)> = asked
            .params
            .iter()
            .filter(|(name, _)| {
                let mut names = place.iter().flat_map(|one| &one.params);
                names.any(|(known, _)| known == name)
            })
            .collect();
        let fits = |one: &&Recorded| {
            one.params.len() == meant.len() && one.params.iter().all(|pair| meant.contains(&pair))
        };
        let mut best: Option<(&Answer, Fit)> = None;
        for one in place.iter().filter(fits) {
            let fit = fit(one.data.as_ref(), &text, asked.data.as_deref());
            if best.is_none_or(|(_, other)| fit > other) {
                best = Some((&one.answer, fit));
            }
        }
        best
    }
}

fn key(method: &str, path: &str) -> String {
    let identity = Identity::of(&ProxyCall {
        endpoint: path.to_owned(),
        method: method.to_owned(),
        ..ProxyCall::default()
    });
    format!("{} {}", identity.method, identity.endpoint)
}

fn recorded(path: &str, entry: &Value) -> Recorded {
    let pairs = |value: &Value| -> Vec<(String, String)> {
        let pairs = value.as_object().into_iter().flatten();
        pairs
            .map(|(name, value)| (name.clone(), identity::text_of(value)))
            .collect()
    };
    let request = &entry["request"];
    let mut params = pairs(&request["params"]);
    if let Some((_, query)) = path.split_once('?') {
        params.extend(url::form_urlencoded::parse(query.as_bytes()).into_owned());
    }
    Recorded {
        params,
        data: request.get("data").cloned(),
        answer: Answer {
            status: entry["status"]
                .as_u64()
                .and_then(|status| u16::try_from(status).ok())
                .unwrap_or(200),
            headers: pairs(&entry["headers"]),
            response: entry["response"].clone(),
        },
    }
}

fn fit(recorded: Option<&Value>, text: &str, asked: Option<&str>) -> Fit {
    let Some(recorded) = recorded else {
        return Fit::AnyBody;
    };
    if identity::of_data(recorded).as_deref() == asked {
        return Fit::Exact;
    }
    // The order of keys may differ on the wire, and forms come as text.
    let sent: Option<Value> = serde_json::from_str(text).ok();
    let form = || -> Value {
        let pairs = url::form_urlencoded::parse(text.as_bytes()).into_owned();
        let fields: Map<String, Value> = pairs.map(|(name, value)| (name, value.into())).collect();
        fields.into()
    };
    if sent.as_ref() == Some(recorded) || (sent.is_none() && form() == *recorded) {
        Fit::Exact
    } else {
        Fit::OtherBody
    }
}

#[cfg(test)]
mod tests {
    use super::{Answers, Fit, Question};

    const FIXTURE: &str = r#"{"api":{
        "get":{"/v1/items":[
            {"response":"first","status":200,"request":{"params":{"size":2}}},
            {"response":"second","status":200,"request":{"params":{"size":"2","after":"b"}}}]},
        "post":{"/v1/items":[
            {"response":"made","status":201,"headers":{"x-a":"b"},"request":{"data":{"a":1,"b":2}}},
            {"response":"any","status":202,"request":{}}]}}}"#;

    fn ask(method: &str, target: &str, body: &str) -> Option<(String, Fit)> {
        let mut answers = Answers::default();
        answers.add(FIXTURE).unwrap();
        let question = Question {
            method: method.to_owned(),
            target: target.to_owned(),
            body: body.into(),
        };
        let (answer, fit) = answers.find(&question)?;
        Some((answer.response.as_str().unwrap().to_owned(), fit))
    }

    #[test]
    fn requests_over_the_wire_find_what_was_recorded() {
        let found = |text: &str, fit| Some((text.to_owned(), fit));
        assert_eq!(
            ask("GET", "/v1/items?size=2", ""),
            found("first", Fit::AnyBody)
        );
        assert_eq!(
            ask("GET", "/v1/items?after=b&size=2&key=k", ""),
            found("second", Fit::AnyBody)
        );
        // A page that was never recorded is not the first page.
        assert_eq!(ask("GET", "/v1/items?after=c&size=2", ""), None);
        assert_eq!(ask("GET", "/v1/items", ""), None);
        assert_eq!(ask("DELETE", "/v1/items", ""), None);
        assert_eq!(
            ask("POST", "/v1/items", r#"{"b":2,"a":1}"#),
            found("made", Fit::Exact)
        );
        assert_eq!(ask("POST", "/v1/items", "a=9"), found("any", Fit::AnyBody));
    }

    #[test]
    fn what_is_known_can_be_listed() {
        let mut answers = Answers::default();
        answers.add(FIXTURE).unwrap();
        answers.add(FIXTURE).unwrap();
        assert_eq!(answers.len(), 4);
        assert_eq!(
            answers.known().collect::<Vec<_>>(),
            ["GET /v1/items", "POST /v1/items"]
        );
        assert!(answers.add("[]").is_err());
    }
}
