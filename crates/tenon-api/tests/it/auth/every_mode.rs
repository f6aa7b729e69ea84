//! Every authentication mode the whole way: wrong credentials, connecting, what is shown, a request that the provider
//! checks, renewing, deleting, revoking.

#![expect(
    clippy::unwrap_used,
    reason = "a test may end where something is not there"
)]

mod providers;
mod table;

use std::{
    sync::{Arc, Mutex},
    time::Duration,
};

use serde_json::{Value, json};
use tenon_core::{Clock as _, auth::AuthMode};
use tenon_engine::revocation::Revoker;
use tenon_testkit::upstream::{Answer, Received, Upstream};
use url::Url;

use crate::{
    TestApp,
    app::{self, Wishes},
};

/// What a provider knows; its answers follow from it and from the request alone.
#[derive(Default)]
struct Knows {
    /// `http://127.0.0.1:<port>`.
    origin: String,
    /// Tokens given out so far: only the latest works.
    generation: u32,
    revoked: bool,
    /// Seconds, by the clock of the test.
    now: i64,
    /// PKCE challenge of the flow under way.
    challenge: String,
}

type Script = fn(&Received, &mut Knows) -> Answer;

/// How a mode is walked.
struct Walk {
    provider: &'static str,
    /// Whether the provider is one of our catalogue.
    ours: bool,
    /// What the integration has besides its key and provider.
    integration: Value,
    connect: Connect,
    /// What is shown of the credentials; `*` stands for anything.
    credentials: Value,
    renewal: Renewal,
    revocation: Revocation,
    script: Script,
}

enum Connect {
    /// A form posts credentials; with wrong ones and what is answered to them, where they are tried.
    Form {
        route: &'static str,
        params: &'static str,
        body: Value,
        wrong: Option<(Value, &'static str)>,
    },
    /// A browser goes to the provider and comes back to this path.
    Browser {
        params: &'static str,
        back: fn(&Url) -> String,
    },
}

#[derive(PartialEq)]
enum Renewal {
    After { minutes: u64 },
    Never,
}

#[derive(PartialEq)]
enum Revocation {
    /// The provider is told, and the token does not work any more.
    Told,
    /// There is nobody who could be told, and that is said.
    Unsupported,
    /// There is no secret.
    Nothing,
}

/// All modes there are, as the enum itself names them.
fn all_modes() -> Vec<AuthMode> {
    let error = serde_json::from_value::<AuthMode>(json!("?")).unwrap_err();
    let text = error.to_string();
    let names = text.split('`').skip(3).step_by(2);
    let modes: Vec<AuthMode> = names.filter_map(AuthMode::parse).collect();
    assert!(modes.len() >= 19, "{text}");
    modes
}

macro_rules! walks {
    ($($name:ident: $mode:ident,)*) => {
        const WALKED: &[AuthMode] = &[$(AuthMode::$mode),*];

        $(#[tokio::test]
        async fn $name() {
            let mode = AuthMode::$mode;
            let walk = table::walk(mode).expect("it stands in the table");
            Scene::start(mode, walk).await.run().await;
        })*
    };
}

walks! {
    oauth1_the_whole_way: OAuth1,
    oauth2_the_whole_way: OAuth2,
    client_credentials_the_whole_way: OAuth2ClientCredentials,
    api_key_the_whole_way: ApiKey,
    basic_the_whole_way: Basic,
    two_step_the_whole_way: TwoStep,
    jwt_the_whole_way: Jwt,
    signature_the_whole_way: Signature,
    tba_the_whole_way: Tba,
    bill_the_whole_way: Bill,
    aws_the_whole_way: AwsSigV4,
    app_the_whole_way: App,
    custom_the_whole_way: Custom,
    mcp_the_whole_way: McpOAuth2,
    any_mcp_server_the_whole_way: McpOAuth2Generic,
    plugin_the_whole_way: InstallPlugin,
    open_the_whole_way: None,
}

/// A mode that is new does not compile in `table::walk` until somebody says how it is walked.
#[test]
fn every_mode_that_a_provider_has_is_walked() {
    let catalogue = tenon_providers::Catalogue::embedded();
    for mode in all_modes() {
        let is_walked = table::walk(mode).is_some();
        assert_eq!(is_walked, WALKED.contains(&mode), "{mode}");
        if !is_walked {
            let names = catalogue.names().into_iter();
            let mut providers = names.filter_map(|name| catalogue.find(&name));
            assert!(
                !providers.any(|provider| provider.auth_mode == mode),
                "{mode}"
            );
        }
    }
}

struct Scene {
    mode: AuthMode,
    walk: Walk,
    app: TestApp,
    upstream: Upstream,
    knows: Arc<Mutex<Knows>>,
}

impl Scene {
    async fn start(mode: AuthMode, walk: Walk) -> Self {
        let knows: Arc<Mutex<Knows>> = Arc::default();
        let (script, known) = (walk.script, Arc::clone(&knows));
        let upstream =
            Upstream::start(move |request| script(request, &mut known.lock().unwrap())).await;
        knows.lock().unwrap().origin = upstream.url("");
        let app = TestApp::with(Wishes {
            upstream: Some(upstream.url("")),
            ours: if walk.ours {
                vec![walk.provider]
            } else {
                Vec::new()
            },
            ..Wishes::default()
        })
        .await;
        let scene = Self {
            mode,
            walk,
            app,
            upstream,
            knows,
        };
        scene.pass(0);
        let mut body = json!({ "unique_key": "p", "provider": scene.walk.provider });
        let more = scene.walk.integration.as_object().unwrap().clone();
        body.as_object_mut().unwrap().extend(more);
        let made = scene.app.post("/integrations", body).await;
        assert_eq!(made.status(), 200, "{mode}: {}", made.text());
        scene
    }

    async fn run(self) {
        let mode = self.mode;
        let id = self.connect().await;
        let shown = self.shown(&id).await;
        let webhook = self.app.webhooks("auth").await.pop().unwrap();
        assert_eq!(webhook["operation"], "creation", "{mode}");
        assert_eq!(webhook["success"], true, "{mode}");
        assert_eq!(webhook["authMode"], mode.as_str(), "{mode}");
        assert_eq!(webhook["connectionId"], id, "{mode}");
        self.use_it(&id).await;
        self.renew(&id, &shown).await;
        self.delete(&id).await;
    }

    /// Connects with the session of a person, and says the id of the connection.
    async fn connect(&self) -> String {
        let mode = self.mode;
        let body = json!({ "end_user": { "id": "u" }, "allowed_integrations": ["p"] });
        let token = self.app.session(body).await;
        let params = match &self.walk.connect {
            Connect::Form { params, .. } | Connect::Browser { params, .. } => {
                params.replace("$UP", &self.upstream.url(""))
            }
        };
        let query = format!("connect_session_token={token}&{params}");
        match &self.walk.connect {
            Connect::Form {
                route, body, wrong, ..
            } => {
                let path = format!("{route}/p?{query}");
                let post = |body: &Value| self.app.anonymous("POST", &path).json(body);
                if let Some((wrong, refusal)) = wrong {
                    let refused = post(wrong).send().await;
                    assert_eq!(refused.refusal(), *refusal, "{mode}: {}", refused.text());
                    assert!(self.listed().await.is_empty(), "{mode}");
                }
                let made = post(body).send().await;
                assert_eq!(made.status(), 200, "{mode}: {}", made.text());
                let made = made.json();
                let id = made["connectionId"].as_str().unwrap().to_owned();
                let expected = json!({ "connectionId": id, "providerConfigKey": "p" });
                assert_eq!(made, expected, "{mode}");
            }
            Connect::Browser { back, .. } => {
                let path = format!("/oauth/connect/p?{query}");
                let away = self.app.anonymous("GET", &path).send().await;
                assert_eq!(away.status(), 302, "{mode}: {}", away.text());
                let location = Url::parse(away.header("location")).unwrap();
                let mut pairs = location.query_pairs();
                if let Some((_, challenge)) = pairs.find(|(name, _)| name == "code_challenge") {
                    self.knows.lock().unwrap().challenge = challenge.into_owned();
                }
                let page = self.app.anonymous("GET", &back(&location)).send().await;
                assert_eq!(page.status(), 200, "{mode}: {}", page.text());
            }
        }
        let listed = self.listed().await;
        assert_eq!(listed.len(), 1, "{mode}");
        assert_eq!(listed[0].get("credentials"), None, "{mode}");
        assert_eq!(listed[0]["end_user"]["id"], "u", "{mode}");
        listed[0]["connection_id"].as_str().unwrap().to_owned()
    }

    async fn listed(&self) -> Vec<Value> {
        let listed = self.app.get("/connections").await.json();
        listed["connections"].as_array().unwrap().clone()
    }

    async fn read(&self, id: &str, more: &str) -> app::Answer {
        let path = format!("/connections/{id}?provider_config_key=p&refresh_token=true{more}");
        self.app.get(&path).await
    }

    /// The credentials as they are shown, which must be as the table has them.
    async fn shown(&self, id: &str) -> Value {
        let answer = self.read(id, "").await;
        assert_eq!(answer.status(), 200, "{}: {}", self.mode, answer.text());
        let shown = answer.json()["credentials"].clone();
        let mut expected = self.walk.credentials.clone();
        for (name, value) in expected.as_object_mut().unwrap() {
            if value == "*" && shown.get(name).is_some() {
                *value = shown[name].clone();
            }
        }
        assert_eq!(shown, expected, "{}", self.mode);
        shown
    }

    fn proxied(&self, id: &str) -> app::Request {
        self.app
            .request("GET", "/proxy/things?limit=2&q=a%20b")
            .header("provider-config-key", "p")
            .header("connection-id", id)
    }

    /// A request that the provider takes, and would not take without what we add.
    async fn use_it(&self, id: &str) {
        let mode = self.mode;
        self.upstream.take();
        let answer = self.proxied(id).send().await;
        assert_eq!(answer.status(), 200, "{mode}: {}", answer.text());
        let arrived = self.upstream.take().pop().unwrap();
        assert!(
            arrived.target.ends_with("/things?limit=2&q=a%20b"),
            "{mode}: {arrived:?}"
        );
        let mut bare = arrived;
        bare.headers.retain(|(name, _)| name == "host");
        let answer = (self.walk.script)(&bare, &mut self.knows.lock().unwrap());
        let is_refused = matches!(answer, Answer::Whole { status: 401, .. });
        assert_eq!(is_refused, mode != AuthMode::None, "{mode}: {answer:?}");
        // FAULTS 44: whatever the mode adds, it is not added to a request that leads inside.
        for base in [
            "http://169.254.169.254",
            "http://[fd00::1]",
            "http://10.0.0.1",
        ] {
            let request = self.proxied(id).header("base-url-override", base);
            let refusal = request.send().await.refusal();
            assert_eq!(refusal, "400 base_url_override_not_allowed", "{mode}");
        }
        assert_eq!(self.upstream.count(), 0, "{mode}");
    }

    fn pass(&self, minutes: u64) {
        self.app.clock.advance(Duration::from_secs(minutes * 60));
        self.knows.lock().unwrap().now = self.app.clock.now().secs();
    }

    async fn renew(&self, id: &str, before: &Value) {
        let mode = self.mode;
        self.upstream.take();
        match self.walk.renewal {
            Renewal::After { minutes } => {
                self.pass(minutes);
                // On the way through the proxy, as nobody has asked for it before.
                self.use_it(id).await;
                let after = self.read(id, "").await.json()["credentials"].clone();
                assert_ne!(&after, before, "{mode}");
                assert_eq!(after["type"], before["type"], "{mode}");
                let names = |shown: &Value| -> Vec<String> {
                    shown.as_object().unwrap().keys().cloned().collect()
                };
                assert_eq!(names(&after), names(before), "{mode}");
                let forced = self.read(id, "&force_refresh=true").await;
                assert_eq!(forced.status(), 200, "{mode}: {}", forced.text());
            }
            Renewal::Never => {
                self.pass(60 * 24);
                let forced = self.read(id, "&force_refresh=true").await;
                assert_eq!(forced.status(), 200, "{mode}: {}", forced.text());
                assert_eq!(&forced.json()["credentials"], before, "{mode}");
                assert_eq!(self.upstream.count(), 0, "{mode}: there is nothing to ask");
            }
        }
        self.use_it(id).await;
    }

    async fn delete(&self, id: &str) {
        let mode = self.mode;
        let path = format!("/connections/{id}?provider_config_key=p");
        assert_eq!(
            self.app.delete(&path).await.json(),
            json!({ "success": true }),
            "{mode}"
        );
        assert_eq!(self.read(id, "").await.status(), 404, "{mode}");
        assert!(self.listed().await.is_empty(), "{mode}");
        let refused = self.proxied(id).send().await;
        assert!(refused.status() >= 400, "{mode}: {}", refused.text());
        assert_eq!(self.upstream.count(), 0, "{mode}: nothing is sent any more");

        let told = Revoker::new(self.app.engine.clone()).round().await.unwrap();
        let proofs = self.app.get("/revocations").await.json()["revocations"].clone();
        let states: Vec<&str> = proofs
            .as_array()
            .unwrap()
            .iter()
            .map(|proof| proof["state"].as_str().unwrap())
            .collect();
        let is_told = self.walk.revocation == Revocation::Told;
        let expected: &[&str] = match self.walk.revocation {
            Revocation::Told => &["revoked"],
            Revocation::Unsupported => &["unsupported"],
            Revocation::Nothing => &[],
        };
        assert_eq!(states, expected, "{mode}: {proofs}");
        assert_eq!(told, usize::from(is_told), "{mode}");
        assert_eq!(self.knows.lock().unwrap().revoked, is_told, "{mode}");
    }
}
