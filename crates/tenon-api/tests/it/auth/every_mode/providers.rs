//! The providers of the modes. Each checks what arrives by itself, with nothing of the code that made it, but for AWS,
//! whose signatures have test vectors and an outside judge of their own.

use std::{
    collections::{BTreeMap, HashMap},
    sync::OnceLock,
};

use aws_lc_rs::{
    digest, hmac,
    rsa::KeyPair as RsaKeyPair,
    signature::{KeyPair as _, RSA_PKCS1_2048_8192_SHA256, UnparsedPublicKey},
};
use base64::{
    Engine as _,
    engine::general_purpose::{STANDARD, URL_SAFE_NO_PAD},
};
use percent_encoding::{AsciiSet, NON_ALPHANUMERIC, percent_decode_str, utf8_percent_encode};
use serde_json::{Value, json};
use tenon_core::Timestamp;
use tenon_testkit::upstream::{Answer, Received};

use super::Knows;
use crate::auth::{aws, direct::private_key};

/// What OAuth 1 leaves alone (RFC 5849, 3.6).
const UNRESERVED: &AsciiSet = &NON_ALPHANUMERIC
    .remove(b'-')
    .remove(b'.')
    .remove(b'_')
    .remove(b'~');

fn allow(is_right: bool) -> Answer {
    if is_right {
        Answer::json(200, &json!({ "ok": true }))
    } else {
        Answer::json(401, &json!({ "error": "who are you" }))
    }
}

fn fields(request: &Received) -> HashMap<String, String> {
    url::form_urlencoded::parse(&request.body)
        .into_owned()
        .collect()
}

fn body(request: &Received) -> Value {
    serde_json::from_slice(&request.body).unwrap_or_default()
}

fn has(request: &Received, name: &str, value: &str) -> bool {
    request.header(name) == Some(value)
}

fn is_basic(request: &Received, pair: &str) -> bool {
    let value = format!("Basic {}", STANDARD.encode(pair));
    has(request, "authorization", &value)
}

impl Knows {
    /// The latest token, unless it was revoked.
    fn is_latest(&self, request: &Received, kind: &str) -> bool {
        let value = format!("Bearer {kind}{}", self.generation);
        !self.revoked && has(request, "authorization", &value)
    }

    /// A token endpoint of OAuth 2: the code with its verifier, then the latest refresh token.
    fn grant(&mut self, form: &HashMap<String, String>) -> Answer {
        let field = |name: &str| form.get(name).map_or("", String::as_str);
        let is_right = match field("grant_type") {
            "authorization_code" => {
                let verifier = digest::digest(&digest::SHA256, field("code_verifier").as_bytes());
                field("code") == "c"
                    && self.generation == 0
                    && URL_SAFE_NO_PAD.encode(verifier) == self.challenge
            }
            "refresh_token" => field("refresh_token") == format!("r{}", self.generation),
            _ => false,
        };
        if !is_right {
            return Answer::json(400, &json!({ "error": "invalid_grant" }));
        }
        self.generation += 1;
        let number = self.generation;
        Answer::json(
            200,
            &json!({ "access_token": format!("a{number}"), "refresh_token": format!("r{number}"),
                "token_type": "bearer", "expires_in": 3600 }),
        )
    }

    /// A revocation endpoint (RFC 7009).
    fn revoke(&mut self, form: &HashMap<String, String>) -> Answer {
        let expected = format!("r{}", self.generation);
        let hint = form.get("token_type_hint").map(String::as_str);
        self.revoked = form.get("token") == Some(&expected) && hint == Some("refresh_token");
        allow(self.revoked)
    }

    fn in_an_hour(&self) -> String {
        Timestamp::from_secs(self.now + 3600).iso_millis()
    }
}

/// Whether the signature of an OAuth 1 request (RFC 5849, 3.4) is right.
fn is_signed(
    request: &Received,
    knows: &Knows,
    token: Option<(&str, &str)>,
    algorithm: hmac::Algorithm,
) -> bool {
    let encode = |text: &str| utf8_percent_encode(text, UNRESERVED).to_string();
    let header = request.header("authorization").unwrap_or_default();
    let Some(list) = header.strip_prefix("OAuth ") else {
        return false;
    };
    let mut given: BTreeMap<String, String> = BTreeMap::new();
    for part in list.split(',') {
        let (name, value) = part.trim().split_once('=').unwrap_or_default();
        let value = percent_decode_str(value.trim_matches('"')).decode_utf8_lossy();
        given.insert(name.to_owned(), value.into_owned());
    }
    let signature = given.remove("oauth_signature").unwrap_or_default();
    given.remove("realm");
    let said = |name: &str| given.get(name).map_or("", String::as_str);
    let (path, query) = request
        .target
        .split_once('?')
        .unwrap_or((&request.target, ""));
    let query = url::form_urlencoded::parse(query.as_bytes());
    let mut pairs: Vec<(String, String)> = given
        .iter()
        .map(|(name, value)| (encode(name), encode(value)))
        .chain(query.map(|(name, value)| (encode(&name), encode(&value))))
        .collect();
    pairs.sort();
    let pairs: Vec<String> = pairs
        .into_iter()
        .map(|(name, value)| format!("{name}={value}"))
        .collect();
    let base = [
        request.method.clone(),
        encode(&format!("{}{path}", knows.origin)),
        encode(&pairs.join("&")),
    ];
    let key = format!("sec&{}", token.map_or("", |(_, secret)| secret));
    let expected = hmac::sign(
        &hmac::Key::new(algorithm, key.as_bytes()),
        base.join("&").as_bytes(),
    );
    let is_now = said("oauth_timestamp") == knows.now.to_string();
    signature == STANDARD.encode(expected)
        && said("oauth_consumer_key") == "cid"
        && given.get("oauth_token").map(String::as_str) == token.map(|(token, _)| token)
        && said("oauth_nonce").len() >= 16
        && is_now
}

pub(super) fn oauth1(request: &Received, knows: &mut Knows) -> Answer {
    let form = |body: &str| {
        let kind = "application/x-www-form-urlencoded";
        Answer::Whole {
            status: 200,
            headers: vec![("content-type".to_owned(), kind.to_owned())],
            body: body.to_owned().into(),
        }
    };
    let header = request.header("authorization").unwrap_or_default();
    let signed = |token| is_signed(request, knows, token, hmac::HMAC_SHA1_FOR_LEGACY_USE_ONLY);
    match request.path() {
        "/oauth1/request" if signed(None) && header.contains("oauth_callback=") => {
            form("oauth_token=rt&oauth_token_secret=rts&oauth_callback_confirmed=true")
        }
        "/oauth1/access"
            if signed(Some(("rt", "rts"))) && header.contains("oauth_verifier=\"v\"") =>
        {
            form("oauth_token=at&oauth_token_secret=ats&user_id=9")
        }
        path => allow(path.starts_with("/api/") && signed(Some(("at", "ats")))),
    }
}

pub(super) fn tba(request: &Received, knows: &mut Knows) -> Answer {
    let header = request.header("authorization").unwrap_or_default();
    let is_right = is_signed(request, knows, Some(("ti", "ts")), hmac::HMAC_SHA256);
    allow(is_right && header.starts_with("OAuth realm=\"123_SB1\", "))
}

pub(super) fn oauth2(request: &Received, knows: &mut Knows) -> Answer {
    let form = fields(request);
    let is_client = form.get("client_id").is_some_and(|id| id == "cid")
        && form
            .get("client_secret")
            .is_some_and(|secret| secret == "sec");
    match request.path() {
        "/oauth/token" if is_client => knows.grant(&form),
        "/revoke" if is_basic(request, "cid:sec") => knows.revoke(&form),
        path => allow(path.starts_with("/api/") && knows.is_latest(request, "a")),
    }
}

pub(super) fn client_credentials(request: &Received, knows: &mut Knows) -> Answer {
    let form = fields(request);
    let field = |name: &str| form.get(name).map_or("", String::as_str);
    let is_client = field("client_id") == "cid" && field("client_secret") == "sec";
    match request.path() {
        "/acme.onelogin.com/auth/oauth2/v2/token"
            if is_client && field("grant_type") == "client_credentials" =>
        {
            knows.generation += 1;
            let token = format!("a{}", knows.generation);
            Answer::json(200, &json!({ "access_token": token, "expires_in": 3600 }))
        }
        "/acme.onelogin.com/auth/oauth2/revoke" if is_basic(request, "cid:sec") => {
            knows.revoked =
                body(request) == json!({ "access_token": format!("a{}", knows.generation) });
            allow(knows.revoked)
        }
        _ => allow(knows.is_latest(request, "a")),
    }
}

pub(super) fn api_key(request: &Received, _: &mut Knows) -> Answer {
    allow(has(request, "x-api-key", "good"))
}

pub(super) fn basic(request: &Received, _: &mut Knows) -> Answer {
    allow(is_basic(request, "ann:pä:ss"))
}

pub(super) fn two_step(request: &Received, knows: &mut Knows) -> Answer {
    let body = body(request);
    let session = |number: u32| {
        let session =
            json!({ "token": format!("t{number}"), "ttl": 3600, "refresh": format!("r{number}") });
        Answer::json(200, &json!({ "session": session }))
    };
    match request.target.as_str() {
        "/login?tenant=acme" if body["user"] == "u" && body["password"] == "right" => {
            knows.generation = 0;
            Answer::json(201, &json!({ "ticket": "k0" }))
        }
        // With the refresh token alone; what was entered is not sent again.
        "/again" if body == json!({ "refresh": format!("r{}", knows.generation) }) => {
            Answer::json(200, &json!({ "ticket": format!("k{}", knows.generation) }))
        }
        "/session"
            if body == json!({ "ticket": format!("k{}", knows.generation), "user": "u" }) =>
        {
            knows.generation += 1;
            session(knows.generation)
        }
        _ => allow(
            has(request, "x-session", &format!("t{}", knows.generation)) && knows.generation > 0,
        ),
    }
}

pub(super) fn jwt(request: &Received, knows: &mut Knows) -> Answer {
    let header = request.header("authorization").unwrap_or_default();
    let token = header.trim_start_matches("Bearer ");
    let (input, signature) = token.rsplit_once('.').unwrap_or_default();
    let key = hmac::Key::new(hmac::HMAC_SHA256, b"id||secret");
    let is_signed = signature == URL_SAFE_NO_PAD.encode(hmac::sign(&key, input.as_bytes()));
    let claims = claims(input);
    let is_alive = claims["iat"].as_i64().is_some_and(|at| at <= knows.now)
        && claims["exp"].as_i64().is_some_and(|at| at > knows.now);
    allow(is_signed && is_alive && claims["iss"] == "id")
}

/// The claims in the signed part of a token.
fn claims(input: &str) -> Value {
    let payload = input.split('.').nth(1).unwrap_or_default();
    let bytes = URL_SAFE_NO_PAD.decode(payload).unwrap_or_default();
    serde_json::from_slice(&bytes).unwrap_or_default()
}

pub(super) fn signature(request: &Received, knows: &mut Knows) -> Answer {
    let token = request.header("x-wsse").unwrap_or_default();
    let part = |name: &str| {
        let mark = format!("{name}=\"");
        let rest = token.split(&mark).nth(1).unwrap_or_default();
        rest.split('"').next().unwrap_or_default().to_owned()
    };
    let text = format!("{}{}right", part("Nonce"), part("Created"));
    let hash = digest::digest(&digest::SHA1_FOR_LEGACY_USE_ONLY, text.as_bytes());
    let created = Timestamp::parse_iso(&part("Created")).map_or(0, |at| at.secs());
    allow(
        part("Username") == "user"
            && part("PasswordDigest") == STANDARD.encode(hex::encode(hash))
            && (knows.now - created) < 300,
    )
}

pub(super) fn bill(request: &Received, knows: &mut Knows) -> Answer {
    let body = body(request);
    match request.path() {
        "/gateway.prod.bill.com/connect/v3/login" => {
            let expected = json!({ "username": "u", "password": "right", "organizationId": "o", "devKey": "d" });
            if body != expected {
                return Answer::json(401, &json!([{ "code": "BDC_1102" }]));
            }
            knows.generation += 1;
            let session = format!("s{}", knows.generation);
            Answer::json(
                200,
                &json!({ "sessionId": session, "userId": "u1", "organizationId": "o" }),
            )
        }
        _ => {
            let session = format!("s{}", knows.generation);
            allow(has(request, "sessionid", &session) && has(request, "devkey", "d"))
        }
    }
}

pub(super) fn aws(request: &Received, knows: &mut Knows) -> Answer {
    let form = fields(request);
    let action = form.get("Action").map_or("", String::as_str);
    let session = format!("session{}", knows.generation);
    let keys = ("ASIA", "temporary");
    match (request.path(), action) {
        ("/sts", "AssumeRole") => {
            let is_owner = aws::is_signed(request, aws::OWNER, None, "sts", "eu-west-1");
            if !is_owner || form["RoleArn"] != "arn:aws:iam::1:role/good" {
                return Answer::text(
                    403,
                    "<ErrorResponse><Error><Code>AccessDenied</Code></Error></ErrorResponse>",
                );
            }
            knows.generation += 1;
            let (number, end) = (knows.generation, knows.in_an_hour());
            Answer::text(
                200,
                &format!(
                    "<AssumeRoleResponse><AssumeRoleResult><Credentials><AccessKeyId>ASIA</AccessKeyId>\
                     <SecretAccessKey>temporary</SecretAccessKey><SessionToken>session{number}</SessionToken>\
                     <Expiration>{end}</Expiration></Credentials></AssumeRoleResult></AssumeRoleResponse>"
                ),
            )
        }
        ("/sts", _) => {
            let is_right = aws::is_signed(request, keys, Some(&session), "sts", "eu-west-1");
            if is_right {
                Answer::text(200, "<GetCallerIdentityResponse/>")
            } else {
                allow(false)
            }
        }
        _ => allow(
            request.header("authorization").is_some()
                && aws::is_signed(request, keys, Some(&session), "execute-api", "eu-west-1"),
        ),
    }
}

/// The private key of the app, as its owner has it.
pub(super) fn app_key() -> &'static str {
    static KEY: OnceLock<String> = OnceLock::new();
    KEY.get_or_init(private_key)
}

/// Whether this is a token with which the app itself speaks.
fn is_app(request: &Received, knows: &Knows) -> bool {
    let header = request.header("authorization").unwrap_or_default();
    let token = header.trim_start_matches("Bearer ");
    let (input, signature) = token.rsplit_once('.').unwrap_or_default();
    let lines: String = app_key()
        .lines()
        .filter(|line| !line.starts_with('-'))
        .collect();
    let der = STANDARD.decode(lines).expect("a key in PEM");
    let key = RsaKeyPair::from_der(&der).expect("a private key");
    let public = UnparsedPublicKey::new(&RSA_PKCS1_2048_8192_SHA256, key.public_key());
    let signature = URL_SAFE_NO_PAD.decode(signature).unwrap_or_default();
    let claims = claims(input);
    let (from, to) = (claims["iat"].as_i64(), claims["exp"].as_i64());
    public.verify(input.as_bytes(), &signature).is_ok()
        && claims["iss"] == "11"
        && from.is_some_and(|from| from <= knows.now)
        && to.is_some_and(|to| to > knows.now && to <= knows.now + 600)
}

/// GitHub: installations of an app, and people.
pub(super) fn app(request: &Received, knows: &mut Knows) -> Answer {
    match request.path() {
        "/api.github.com/app/installations/22/access_tokens" if is_app(request, knows) => {
            knows.generation += 1;
            let (token, end) = (format!("i{}", knows.generation), knows.in_an_hour());
            Answer::json(201, &json!({ "token": token, "expires_at": end }))
        }
        "/github.com/login/oauth/access_token" if fields(request)["code"] == "ann" => Answer::json(
            200,
            &json!({ "access_token": "user-ann", "refresh_token": "ur", "expires_in": 28800 }),
        ),
        "/api.github.com/user/installations"
            if has(request, "authorization", "Bearer user-ann") =>
        {
            Answer::json(
                200,
                &json!({ "total_count": 1, "installations": [{ "id": 22 }] }),
            )
        }
        "/api.github.com/installation/token" => {
            knows.revoked = request.method == "DELETE" && knows.is_latest(request, "i");
            Answer::text(if knows.revoked { 204 } else { 401 }, "")
        }
        _ => allow(knows.is_latest(request, "i")),
    }
}

/// An MCP server under `/mcp` with its authorization server on the same host.
pub(super) fn mcp(request: &Received, knows: &mut Knows) -> Answer {
    let origin = knows.origin.clone();
    let form = fields(request);
    let is_client = form.get("client_id").is_some_and(|id| id == "registered")
        && !form.contains_key("client_secret");
    match request.path() {
        "/.well-known/oauth-protected-resource/mcp" => Answer::json(
            200,
            &json!({ "resource": format!("{origin}/mcp"), "authorization_servers": [origin], "scopes_supported": ["read"] }),
        ),
        "/.well-known/oauth-authorization-server" => Answer::json(
            200,
            &json!({ "issuer": origin, "authorization_endpoint": format!("{origin}/authorize"),
                "token_endpoint": format!("{origin}/token"), "registration_endpoint": format!("{origin}/register"),
                "revocation_endpoint": format!("{origin}/revoke"), "code_challenge_methods_supported": ["S256"],
                "token_endpoint_auth_methods_supported": ["none"] }),
        ),
        "/register" => {
            let uris = body(request)["redirect_uris"].clone();
            Answer::json(
                201,
                &json!({ "client_id": "registered", "redirect_uris": uris }),
            )
        }
        "/token" if is_client => knows.grant(&form),
        "/revoke" if is_client => knows.revoke(&form),
        _ => allow(knows.is_latest(request, "a")),
    }
}

pub(super) fn plugin(request: &Received, _: &mut Knows) -> Answer {
    allow(is_basic(request, "plugin:key") && has(request, "x-crisp-tier", "plugin"))
}

pub(super) fn open(request: &Received, _: &mut Knows) -> Answer {
    let mut names = request.headers.iter().map(|(name, _)| name.as_str());
    let secret = ["authorization", "x-api-key", "cookie", "dpop"];
    allow(!names.any(|name| secret.contains(&name)))
}
