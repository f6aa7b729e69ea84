//! What a request holds: its events, in order, and whom each is for.

use std::collections::HashMap;

use serde_json::Value;
use tenon_providers::{
    WebhookRouting,
    webhook::{ConnectionRule, Otherwise, Place, WebhookEvents, WebhookPayload},
};
use tenon_store::{connections::LookupKind, inbound::By};

use super::{
    request::Request,
    source::{at, holds, text},
};

/// One happening of a request.
#[derive(Clone, Debug, PartialEq)]
pub(super) struct Event {
    /// What functions subscribe to.
    pub(super) kind: Option<String>,
    pub(super) payload: Value,
    /// Tried in order until one finds connections.
    pub(super) connections: Vec<Lookup>,
}

/// A way to find connections.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Lookup {
    ConnectionId(String),
    Config { path: String, value: String },
    Metadata { path: String, value: String },
    All,
}

impl Lookup {
    pub(super) fn by(&self) -> By<'_> {
        match self {
            Self::ConnectionId(id) => By::ConnectionId(id),
            Self::Config { path, value } => By::Lookup {
                kind: LookupKind::Config,
                path,
                value,
            },
            Self::Metadata { path, value } => By::Lookup {
                kind: LookupKind::Metadata,
                path,
                value,
            },
            Self::All => By::Integration,
        }
    }
}

/// The events of a request.
pub(super) fn events(routing: &WebhookRouting, request: &Request) -> Vec<Event> {
    let of = |event: &Value| Event {
        kind: routing
            .event_type
            .as_ref()
            .and_then(|source| text(source, request, event)),
        payload: match routing.payload {
            WebhookPayload::Body => event.clone(),
            WebhookPayload::Headers => request.headers_object(),
        },
        connections: lookups(&routing.connection, request, event),
    };
    match &routing.events {
        Some(rule) => list(rule, request).into_iter().map(of).collect(),
        None => vec![of(&request.body)],
    }
}

/// Whom an event is for.
pub(super) fn lookups(rule: &ConnectionRule, request: &Request, event: &Value) -> Vec<Lookup> {
    let mut lookups = Vec::new();
    for way in &rule.find {
        let applies = way
            .when
            .as_ref()
            .is_none_or(|condition| holds(condition, request, event));
        // No connection carries a NUL, and no database can be asked for one.
        let value = text(&way.from, request, event).filter(|text| !text.contains('\0'));
        let Some(value) = value.filter(|_| applies) else {
            continue;
        };
        lookups.push(match &way.place {
            Place::ConnectionId => Lookup::ConnectionId(value),
            Place::Config(path) => Lookup::Config {
                path: path.clone(),
                value,
            },
            Place::Metadata(path) => Lookup::Metadata {
                path: path.clone(),
                value,
            },
        });
    }
    if lookups.is_empty() && rule.otherwise == Otherwise::All {
        lookups.push(Lookup::All);
    }
    lookups
}

/// The bodies of the events, in the order in which functions are to see them.
pub(super) fn list<'r>(rule: &WebhookEvents, request: &'r Request) -> Vec<&'r Value> {
    let whole = match &rule.path {
        Some(path) => at(&request.body, path),
        None => Some(&request.body),
    };
    let Some(Value::Array(items)) = whole else {
        return vec![&request.body];
    };
    let mut groups: HashMap<Option<String>, usize> = HashMap::new();
    let mut ordered: Vec<_> = items
        .iter()
        .filter(|item| {
            !rule
                .drop
                .iter()
                .any(|condition| holds(condition, request, item))
        })
        .map(|item| {
            let said =
                |source: &Option<_>| source.as_ref().and_then(|one| text(one, request, item));
            let next = groups.len();
            let group = *groups.entry(said(&rule.group_by)).or_insert(next);
            let later = rule.first.is_some() && said(&rule.first).is_none();
            let place: f64 = said(&rule.order_by)
                .and_then(|text| text.parse().ok())
                .unwrap_or_default();
            (group, later, place, item)
        })
        .collect();
    ordered.sort_by(|left, right| {
        (left.0, left.1)
            .cmp(&(right.0, right.1))
            .then(left.2.total_cmp(&right.2))
    });
    ordered.into_iter().map(|(_, _, _, item)| item).collect()
}

#[cfg(test)]
mod tests {
    use serde_json::json;
    use tenon_providers::WebhookRouting;

    use super::{Lookup, events};
    use crate::inbound::request::Request;

    #[test]
    fn events_of_one_thing_come_together_and_its_creation_first() {
        let routing: WebhookRouting = serde_json::from_value(json!({
            "events": {
                "drop": [{"of": {"body": "from"}, "is": "IMPORT"}],
                "group_by": {"body": "id"},
                "first": {"body": "type", "pattern": "(creation)"},
                "order_by": {"body": "at"},
            },
            "event_type": {"body": "type"},
            "connection": {"find": [{"in": "config.portal", "from": {"body": "portal"}}]},
        }))
        .unwrap();
        let event =
            |id: u32, kind: &str, at: u64| json!({"id": id, "type": kind, "at": at, "portal": 9});
        let request = Request {
            body: json!([
                event(1, "change", 300),
                event(2, "change", 100),
                event(1, "change", 200),
                {"id": 3, "from": "IMPORT"},
                event(1, "creation", 400),
            ]),
            ..Request::default()
        };
        let seen: Vec<String> = events(&routing, &request)
            .iter()
            .map(|event| {
                assert_eq!(
                    event.connections,
                    [Lookup::Config {
                        path: "portal".to_owned(),
                        value: "9".to_owned()
                    }]
                );
                format!("{} {}", event.payload["id"], event.payload["at"])
            })
            .collect();
        assert_eq!(seen, ["1 400", "1 200", "1 300", "2 100"]);
    }

    #[test]
    fn what_is_no_list_is_one_event() {
        let routing: WebhookRouting =
            serde_json::from_value(json!({"events": {"path": "events"}})).unwrap();
        let one = |body| {
            events(
                &routing,
                &Request {
                    body,
                    ..Request::default()
                },
            )
            .len()
        };
        assert_eq!(one(json!({"events": {}})), 1);
        assert_eq!(one(json!("text")), 1);
        assert_eq!(one(json!({"events": []})), 0);
        assert_eq!(one(json!({"events": [1, 2]})), 2);
    }
}
