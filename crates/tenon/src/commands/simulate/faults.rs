//! The dial: what goes wrong, and at which requests.

use std::{collections::BTreeMap, str::FromStr};

use serde_json::{Map, Value};

/// `429:3` of the command line.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Fault {
    kind: Kind,
    every: u64,
}

/// What goes wrong.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum Kind {
    /// 429 or a 5xx status.
    Status(u16),
    Slow,
    Expired,
    Drift,
}

impl FromStr for Kind {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        match text {
            "slow" => Ok(Self::Slow),
            "expired" => Ok(Self::Expired),
            "drift" => Ok(Self::Drift),
            "5xx" => Ok(Self::Status(500)),
            status => match status.parse() {
                Ok(status @ (429 | 500..=599)) => Ok(Self::Status(status)),
                _ => Err(format!(
                    "`{text}` is none of 429, 5xx, slow, expired, drift"
                )),
            },
        }
    }
}

impl Kind {
    fn name(self) -> String {
        match self {
            Self::Status(status) => status.to_string(),
            Self::Slow => "slow".to_owned(),
            Self::Expired => "expired".to_owned(),
            Self::Drift => "drift".to_owned(),
        }
    }
}

impl FromStr for Fault {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let (kind, every) = text.split_once(':').unwrap_or((text, "1"));
        let every = every
            .parse()
            .map_err(|_| format!("`{every}` is not a number of requests"))?;
        Ok(Self {
            kind: kind.parse()?,
            every,
        })
    }
}

/// What is set, and how far it has come.
#[derive(Clone, Debug, Default)]
pub(super) struct Dial {
    every: BTreeMap<Kind, u64>,
    asked: u64,
    /// Credentials that were valid until they expired.
    expired: Option<String>,
}

/// What happens to one request.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(super) struct Strikes {
    /// Answer with this status instead.
    pub(super) status: Option<u16>,
    pub(super) slow: bool,
    pub(super) drift: bool,
}

impl Dial {
    pub(super) fn new(faults: &[Fault]) -> Self {
        let mut dial = Self::default();
        for fault in faults {
            dial.set(fault.kind, fault.every);
        }
        dial
    }

    fn set(&mut self, kind: Kind, every: u64) {
        if every == 0 {
            self.every.remove(&kind);
        } else {
            self.every.insert(kind, every);
        }
        if kind == Kind::Expired {
            self.expired = None;
        }
    }

    /// `{"429": 3, "slow": 0}`; nothing changes if a part makes no sense.
    pub(super) fn turn(&mut self, given: &Map<String, Value>) -> Result<(), String> {
        let mut turned = self.clone();
        for (name, every) in given {
            let every = every
                .as_u64()
                .ok_or_else(|| format!("`{name}` must be a number of requests, 0 for never"))?;
            turned.set(name.parse()?, every);
        }
        *self = turned;
        Ok(())
    }

    /// How it is set, as it is turned.
    pub(super) fn to_json(&self) -> Value {
        let parts = self.every.iter();
        parts
            .map(|(kind, every)| (kind.name(), Value::from(*every)))
            .collect::<Map<_, _>>()
            .into()
    }

    pub(super) fn asked(&self) -> u64 {
        self.asked
    }

    /// Counts a request with these credentials.
    pub(super) fn strike(&mut self, credentials: &str) -> Strikes {
        self.asked += 1;
        let due =
            |kind: &Kind, every: u64| *kind != Kind::Expired && self.asked.is_multiple_of(every);
        let mut strikes = Strikes::default();
        for (kind, every) in &self.every {
            if !due(kind, *every) {
                continue;
            }
            match kind {
                Kind::Status(status) => strikes.status = strikes.status.or(Some(*status)),
                Kind::Slow => strikes.slow = true,
                Kind::Drift => strikes.drift = true,
                Kind::Expired => {}
            }
        }
        if self.has_expired(credentials) {
            strikes.status = Some(401);
        }
        strikes
    }

    fn has_expired(&mut self, credentials: &str) -> bool {
        let Some(every) = self.every.get(&Kind::Expired) else {
            return false;
        };
        if self.expired.is_none() && self.asked >= *every {
            self.expired = Some(credentials.to_owned());
        }
        self.expired.as_deref() == Some(credentials)
    }
}

/// Changes an answer as providers do without notice: in every object of a list, and in the answer itself where it is an
/// object, one field is missing, null or of another type. Which one depends on `turn` only.
pub(super) fn drift(value: &mut Value, turn: u64) {
    match value {
        Value::Array(items) => {
            for (index, item) in items.iter_mut().enumerate() {
                if let Value::Object(fields) = item {
                    drift_fields(fields, turn + index as u64);
                }
            }
        }
        Value::Object(fields) => {
            let lists = fields.values_mut().filter(|field| field.is_array());
            let mut inside = false;
            for list in lists {
                inside = true;
                drift(list, turn);
            }
            if !inside {
                drift_fields(fields, turn);
            }
        }
        _ => {}
    }
}

fn drift_fields(fields: &mut Map<String, Value>, turn: u64) {
    let count = fields.len() as u64;
    if count == 0 {
        return;
    }
    let position = usize::try_from(turn / 3 % count).unwrap_or(0);
    let Some(name) = fields.keys().nth(position).cloned() else {
        return;
    };
    match turn % 3 {
        0 => {
            fields.shift_remove(&name);
        }
        1 => {
            fields.insert(name, Value::Null);
        }
        _ => {
            let other = match &fields[&name] {
                Value::String(text) => Value::from(vec![text.clone()]),
                Value::Number(number) => Value::from(number.to_string()),
                other => Value::from(other.to_string()),
            };
            fields.insert(name, other);
        }
    }
}

#[cfg(test)]
mod tests {
    use serde_json::{Value, json};

    use super::{Dial, Fault, Strikes, drift};

    fn dial(faults: &[&str]) -> Dial {
        let faults: Vec<Fault> = faults.iter().map(|text| text.parse().unwrap()).collect();
        Dial::new(&faults)
    }

    #[test]
    fn faults_strike_every_nth_request() {
        let mut dial = dial(&["429:3", "slow:2"]);
        let found: Vec<Strikes> = (0..6).map(|_| dial.strike("a")).collect();
        let statuses: Vec<Option<u16>> = found.iter().map(|strikes| strikes.status).collect();
        assert_eq!(statuses, [None, None, Some(429), None, None, Some(429)]);
        let slow: Vec<bool> = found.iter().map(|strikes| strikes.slow).collect();
        assert_eq!(slow, [false, true, false, true, false, true]);
    }

    #[test]
    fn expired_credentials_stay_expired_and_new_ones_are_taken() {
        let mut dial = dial(&["expired:2"]);
        let mut status = |credentials: &str| dial.strike(credentials).status;
        assert_eq!(status("old"), None);
        assert_eq!(status("old"), Some(401));
        assert_eq!(status("old"), Some(401));
        assert_eq!(status("new"), None);
        assert_eq!(status("old"), Some(401));
    }

    #[test]
    fn the_dial_turns_whole_or_not_at_all() {
        let mut dial = dial(&["429:3"]);
        let turn = |value: Value| value.as_object().cloned().unwrap();
        assert!(dial.turn(&turn(json!({ "slow": 2, "tea": 1 }))).is_err());
        assert_eq!(dial.to_json(), json!({ "429": 3 }));
        dial.turn(&turn(json!({ "429": 0, "503": 1 }))).unwrap();
        assert_eq!(dial.to_json(), json!({ "503": 1 }));
        assert!("418:1".parse::<Fault>().is_err());
    }

    #[test]
    fn drifting_fields_go_missing_turn_null_or_change_type() {
        let mut answer = json!({ "items": [{ "a": 1 }, { "a": 1 }, { "a": 1 }], "next": "x" });
        drift(&mut answer, 0);
        assert_eq!(
            answer,
            json!({ "items": [{}, { "a": null }, { "a": "1" }], "next": "x" })
        );
        let mut one = json!({ "a": "b" });
        drift(&mut one, 2);
        assert_eq!(one, json!({ "a": ["b"] }));
    }
}
