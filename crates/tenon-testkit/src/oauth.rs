//! A fake OAuth 2.0 provider: codes that work once and only with their verifier, refresh tokens that rotate and notice
//! when an old one comes back.

use std::{
    collections::{HashMap, VecDeque},
    sync::{Arc, Mutex, MutexGuard, PoisonError},
};

use aws_lc_rs::digest;
use base64::{Engine as _, engine::general_purpose::URL_SAFE_NO_PAD};
use serde_json::{Value, json};
use url::{Url, form_urlencoded};

use crate::upstream::{Answer, Received, Upstream};

/// A running provider; stops when dropped. Token endpoint: `/oauth/token`.
pub struct OAuthProvider {
    upstream: Upstream,
    state: Arc<Mutex<State>>,
}

#[derive(Default)]
struct State {
    codes: HashMap<String, Code>,
    /// Family of every refresh token ever given out.
    families: HashMap<String, usize>,
    /// The one token of each family that works; `None` once an old one came back.
    current: Vec<Option<String>>,
    /// Device codes, and whether the person has agreed; `None` while nobody has said anything.
    devices: HashMap<String, Option<bool>>,
    script: VecDeque<Answer>,
    /// Puts every answer of the token endpoint off.
    delay: Option<std::time::Duration>,
    expires_in: Option<i64>,
    issued: usize,
    refreshed: usize,
}

struct Code {
    redirect_uri: String,
    challenge: Option<String>,
}

impl OAuthProvider {
    /// Starts a provider whose tokens live an hour.
    pub async fn start() -> Self {
        let state = Arc::new(Mutex::new(State {
            expires_in: Some(3600),
            ..State::default()
        }));
        let scripted = Arc::clone(&state);
        let upstream = Upstream::start(move |request| {
            let mut state = lock(&scripted);
            if request.path() == "/oauth/device" {
                return state.device();
            }
            if request.path() != "/oauth/token" {
                return Answer::json(200, &json!({ "path": request.target }));
            }
            let answer = state.token(request);
            match state.delay {
                Some(delay) => Answer::Later(delay, Box::new(answer)),
                None => answer,
            }
        })
        .await;
        Self { upstream, state }
    }

    /// `http://127.0.0.1:<port>`.
    pub fn address(&self) -> String {
        self.upstream.url("")
    }

    /// A person agrees on the page of `authorize_url`: returns the query with which the browser goes back.
    pub fn agree(&self, authorize_url: &str) -> String {
        let url = Url::parse(authorize_url).expect("the browser was sent to a URL");
        let query: HashMap<_, _> = url.query_pairs().into_owned().collect();
        let mut state = lock(&self.state);
        state.issued += 1;
        let code = format!("code-canary-{}", state.issued);
        let granted = Code {
            redirect_uri: query["redirect_uri"].clone(),
            challenge: query.get("code_challenge").cloned(),
        };
        state.codes.insert(code.clone(), granted);
        let mut back = form_urlencoded::Serializer::new(String::new());
        back.append_pair("code", &code)
            .append_pair("state", &query["state"]);
        back.finish()
    }

    /// The person behind every device code that is out agrees, or refuses.
    pub fn decide_devices(&self, agrees: bool) {
        let mut state = lock(&self.state);
        state
            .devices
            .values_mut()
            .for_each(|decided| *decided = Some(agrees));
    }

    /// Questions about device codes so far.
    pub fn device_questions(&self) -> usize {
        let all = self.token_requests().into_iter();
        all.filter(|request| request.text().contains("device_code="))
            .count()
    }

    /// A refresh token that works.
    pub fn refresh_token(&self) -> String {
        lock(&self.state).new_family()
    }

    /// The next token request gets this answer instead of a proper one.
    pub fn answer_next(&self, answer: Answer) {
        lock(&self.state).script.push_back(answer);
    }

    /// Lifetime of tokens from now on; `None` says nothing about it.
    pub fn set_expires_in(&self, seconds: Option<i64>) {
        lock(&self.state).expires_in = seconds;
    }

    /// Answers of the token endpoint are held back this long, on the wall clock; what they say has happened by then.
    pub fn set_delay(&self, delay: Option<std::time::Duration>) {
        lock(&self.state).delay = delay;
    }

    /// Lets a used refresh token work once more, as providers with a grace period do.
    pub fn forgive(&self, refresh_token: &str) {
        let mut state = lock(&self.state);
        if let Some(family) = state.families.get(refresh_token).copied() {
            state.current[family] = Some(refresh_token.to_owned());
        }
    }

    /// How many refreshes succeeded.
    pub fn refreshed(&self) -> usize {
        lock(&self.state).refreshed
    }

    /// Token requests so far.
    pub fn token_requests(&self) -> Vec<Received> {
        let all = self.upstream.received().into_iter();
        all.filter(|request| request.path() == "/oauth/token")
            .collect()
    }

    /// Refresh requests so far.
    pub fn refresh_requests(&self) -> usize {
        let all = self.token_requests().into_iter();
        all.filter(|request| request.text().contains("grant_type=refresh_token"))
            .count()
    }
}

impl State {
    fn token(&mut self, request: &Received) -> Answer {
        let form: HashMap<String, String> =
            form_urlencoded::parse(&request.body).into_owned().collect();
        if let Some(answer) = self.script.pop_front() {
            return answer;
        }
        let field = |name: &str| form.get(name).map_or("", String::as_str);
        match field("grant_type") {
            "authorization_code" => self.exchange(&form),
            "refresh_token" => self.refresh(field("refresh_token")),
            "urn:ietf:params:oauth:grant-type:device_code" => self.ask(field("device_code")),
            "client_credentials" if field("client_secret") == "right" => Answer::json(
                200,
                &json!({ "access_token": "cc-token-canary", "expires_in": self.expires_in }),
            ),
            _ => refuse("invalid_client"),
        }
    }

    fn exchange(&mut self, form: &HashMap<String, String>) -> Answer {
        let Some(code) = form.get("code").and_then(|code| self.codes.remove(code)) else {
            return refuse("invalid_grant");
        };
        let verifier = form.get("code_verifier");
        let proof = verifier
            .map(|text| URL_SAFE_NO_PAD.encode(digest::digest(&digest::SHA256, text.as_bytes())));
        if proof != code.challenge || form.get("redirect_uri") != Some(&code.redirect_uri) {
            return refuse("invalid_grant");
        }
        let refresh_token = self.new_family();
        self.tokens(&refresh_token)
    }

    fn device(&mut self) -> Answer {
        self.issued += 1;
        let code = format!("device-canary-{}", self.issued);
        self.devices.insert(code.clone(), None);
        Answer::json(
            200,
            &json!({
                "device_code": code,
                "user_code": format!("USER-{}", self.issued),
                "verification_uri": "https://provider.test/device",
                "verification_uri_complete": format!("https://provider.test/device?code=USER-{}", self.issued),
                "expires_in": 600,
                "interval": 5,
            }),
        )
    }

    fn ask(&mut self, code: &str) -> Answer {
        match self.devices.get(code) {
            None => refuse("expired_token"),
            Some(None) => refuse("authorization_pending"),
            Some(Some(false)) => refuse("access_denied"),
            Some(Some(true)) => {
                self.devices.remove(code);
                let refresh_token = self.new_family();
                self.tokens(&refresh_token)
            }
        }
    }

    fn refresh(&mut self, token: &str) -> Answer {
        let Some(family) = self.families.get(token).copied() else {
            return refuse("invalid_grant");
        };
        if self.current[family].as_deref() != Some(token) {
            // Somebody has stolen a token, or used it twice: nobody may go on.
            self.current[family] = None;
            return refuse("invalid_grant");
        }
        let next = self.next_token();
        self.families.insert(next.clone(), family);
        self.current[family] = Some(next.clone());
        self.refreshed += 1;
        self.tokens(&next)
    }

    fn tokens(&mut self, refresh_token: &str) -> Answer {
        self.issued += 1;
        let mut answer = json!({
            "access_token": format!("access-canary-{}", self.issued),
            "refresh_token": refresh_token,
            "token_type": "bearer",
        });
        if let Some(seconds) = self.expires_in {
            answer["expires_in"] = Value::from(seconds);
        }
        Answer::json(200, &answer)
    }

    fn new_family(&mut self) -> String {
        let token = self.next_token();
        self.families.insert(token.clone(), self.current.len());
        self.current.push(Some(token.clone()));
        token
    }

    fn next_token(&mut self) -> String {
        self.issued += 1;
        format!("refresh-canary-{}", self.issued)
    }
}

/// A refusal as RFC 6749 writes it.
pub fn refuse(code: &str) -> Answer {
    Answer::json(400, &json!({ "error": code }))
}

fn lock(state: &Mutex<State>) -> MutexGuard<'_, State> {
    state.lock().unwrap_or_else(PoisonError::into_inner)
}
