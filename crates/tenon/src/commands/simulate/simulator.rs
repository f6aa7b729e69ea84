//! Who answers: recordings, struck by faults.

use std::{
    sync::{Mutex, MutexGuard, PoisonError},
    time::Duration,
};

use serde_json::{Value, json};
use tenon_api::simulator::{Answered, Asked};
use tenon_runtime::replay::{Answers, Fit, Question};

use super::{
    Args,
    faults::{Dial, drift},
};
use crate::ui;

/// Path of the dial.
const DIAL: &str = "/__simulator";

/// Path that gives out new tokens, for providers written by `--provider-file`.
pub(super) const TOKEN: &str = "/__simulator/token";

/// Headers of a recording that are about its transport.
const TRANSPORT: [&str; 8] = [
    "content-length",
    "content-encoding",
    "transfer-encoding",
    "connection",
    "keep-alive",
    "date",
    "alt-svc",
    "strict-transport-security",
];

/// Most known requests in the answer to an unknown one.
const KNOWN: usize = 50;

pub(super) struct Simulator {
    answers: Answers,
    dial: Mutex<Dial>,
    tokens: Mutex<u64>,
    retry_after: u32,
    slow: Duration,
    strict: bool,
}

impl Simulator {
    pub(super) fn new(answers: Answers, dial: Dial, args: &Args) -> Self {
        Self {
            answers,
            dial: Mutex::new(dial),
            tokens: Mutex::default(),
            retry_after: args.retry_after,
            slow: Duration::from_millis(args.slow_ms),
            strict: args.strict,
        }
    }

    /// Answers one request.
    pub(super) async fn answer(&self, asked: Asked) -> Answered {
        let path = asked.target.split('?').next().unwrap_or_default();
        match path {
            DIAL => return self.turn(&asked),
            TOKEN => return self.token(),
            _ => {}
        }
        let line = format!("{} {path}", asked.method);
        let answered = self.of_provider(asked).await;
        ui::say(format!("{} {line}", answered.status));
        answered
    }

    fn dial(&self) -> MutexGuard<'_, Dial> {
        self.dial.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn turn(&self, asked: &Asked) -> Answered {
        let mut dial = self.dial();
        if asked.method != "GET" {
            let given = serde_json::from_slice::<Value>(&asked.body);
            let turned = match given.as_ref().map(Value::as_object) {
                Ok(Some(given)) => dial.turn(given),
                _ => Err("send an object like {\"429\": 3, \"slow\": 0}".to_owned()),
            };
            if let Err(problem) = turned {
                return answer(400, &json!({ "error": problem }));
            }
            ui::say(format!("dial {}", dial.to_json()));
        }
        let known: Vec<String> = self.answers.known().collect();
        answer(
            200,
            &json!({ "faults": dial.to_json(), "asked": dial.asked(), "known": known }),
        )
    }

    fn token(&self) -> Answered {
        let mut tokens = self.tokens.lock().unwrap_or_else(PoisonError::into_inner);
        *tokens += 1;
        answer(
            200,
            &json!({
                "access_token": format!("simulated-{tokens}"),
                "refresh_token": "simulated",
                "token_type": "Bearer",
                "expires_in": 3600,
            }),
        )
    }

    async fn of_provider(&self, asked: Asked) -> Answered {
        let header = |name: &str| {
            let found = asked.headers.iter().find(|(known, _)| known == name);
            found.map_or("", |(_, value)| value.as_str())
        };
        let (strikes, turn) = {
            let mut dial = self.dial();
            (dial.strike(header("authorization")), dial.asked())
        };
        if strikes.slow {
            tokio::time::sleep(self.slow).await;
        }
        if let Some(status) = strikes.status {
            let mut answered = answer(status, &json!({ "error": fault(status) }));
            if status == 429 {
                let seconds = self.retry_after.to_string();
                answered.headers.push(("retry-after".to_owned(), seconds));
            }
            return answered;
        }
        let question = Question {
            method: asked.method.clone(),
            target: asked.target.clone(),
            body: asked.body.to_vec(),
        };
        let found = self.answers.find(&question);
        let Some((recorded, fit)) = found.filter(|(_, fit)| !self.strict || *fit > Fit::OtherBody)
        else {
            return self.unknown(&asked);
        };
        let mut response = recorded.response.clone();
        if strikes.drift {
            drift(&mut response, turn - 1);
        }
        let headers = recorded
            .headers
            .iter()
            .filter(|(name, _)| !TRANSPORT.contains(&name.to_lowercase().as_str()));
        let mut headers: Vec<(String, String)> = headers.cloned().collect();
        let body = match response {
            Value::Null => Vec::new(),
            Value::String(text) => text.into_bytes(),
            other => {
                let typed =
                    |(name, _): &(String, String)| name.eq_ignore_ascii_case("content-type");
                if !headers.iter().any(typed) {
                    headers.push(json_type());
                }
                other.to_string().into_bytes()
            }
        };
        if fit == Fit::OtherBody {
            headers.push((
                "x-simulator".to_owned(),
                "recorded for another body".to_owned(),
            ));
        }
        Answered {
            status: recorded.status,
            headers,
            body: body.into(),
        }
    }

    fn unknown(&self, asked: &Asked) -> Answered {
        let known: Vec<String> = self.answers.known().take(KNOWN).collect();
        let target = &asked.target;
        answer(
            404,
            &json!({
                "error": format!("{} {target} was not recorded", asked.method),
                "recorded": known,
            }),
        )
    }
}

fn fault(status: u16) -> &'static str {
    match status {
        401 => "the token has expired",
        429 => "too many requests",
        _ => "the simulator was told to fail",
    }
}

fn json_type() -> (String, String) {
    ("content-type".to_owned(), "application/json".to_owned())
}

fn answer(status: u16, body: &Value) -> Answered {
    Answered {
        status,
        headers: vec![json_type()],
        body: body.to_string().into(),
    }
}
