//! Roles assumed at AWS, from the form to the signed request.

use std::{collections::HashMap, time::Duration};

use serde_json::{Value, json};
use tenon_core::Timestamp;
use tenon_providers::{AwsCredentials, SigV4, SignedBody};
use tenon_testkit::upstream::{Answer, Received, Upstream};

use crate::{TestApp, app};

pub(super) const OWNER: (&str, &str) = ("AKIDOWNER", "owner-secret");

/// A token service that knows one role, and a service behind it. Every pair of keys has a number.
async fn scene() -> (TestApp, Upstream) {
    let upstream = Upstream::start(|request| match request.path() {
        "/sts" => sts(request),
        "/own-sts" => own_sts(request),
        _ => Answer::json(200, &json!({ "target": request.target })),
    })
    .await;
    let app = TestApp::with_upstream(&upstream.url("")).await;
    (app, upstream)
}

fn sts(request: &Received) -> Answer {
    let form: HashMap<String, String> = url::form_urlencoded::parse(&request.body)
        .into_owned()
        .collect();
    let denied = |text: &str| Answer::text(403, text).header("x", "y");
    match form["Action"].as_str() {
        "AssumeRole" if !is_signed(request, OWNER, None, "sts", &form_region(request)) => denied(
            "<ErrorResponse><Error><Code>SignatureDoesNotMatch</Code></Error></ErrorResponse>",
        ),
        "AssumeRole" if form["RoleArn"] != "arn:aws:iam::1:role/good" => denied(
            "<ErrorResponse><Error><Code>AccessDenied</Code><Message>not you</Message></Error></ErrorResponse>",
        ),
        "AssumeRole" => Answer::text(
            200,
            "<AssumeRoleResponse><AssumeRoleResult><Credentials><AccessKeyId>ASIA</AccessKeyId>\
             <SecretAccessKey>temporary</SecretAccessKey><SessionToken>session+1==</SessionToken>\
             <Expiration>2026-01-01T01:00:00Z</Expiration></Credentials></AssumeRoleResult></AssumeRoleResponse>",
        ),
        _ if request.header("x-amz-security-token") == Some("useless") => denied(
            "<ErrorResponse><Error><Code>InvalidClientTokenId</Code></Error></ErrorResponse>",
        ),
        _ => Answer::text(200, "<GetCallerIdentityResponse/>"),
    }
}

fn own_sts(request: &Received) -> Answer {
    if request.header("x-sts-key") != Some("k") {
        return Answer::json(401, &json!({ "error": "who are you" }));
    }
    let asked: Value = serde_json::from_slice(&request.body).unwrap();
    let token = if asked["role_arn"] == "useless" {
        "useless"
    } else {
        "own-session"
    };
    Answer::json(
        200,
        &json!({ "credentials": { "access_key_id": "ASIA", "secret_access_key": "temporary",
            "session_token": token, "expires_at": "2026-01-01T01:00:00Z" } }),
    )
}

/// The region that a request says it is signed for.
fn form_region(request: &Received) -> String {
    let authorization = request.header("authorization").unwrap_or_default();
    authorization
        .split('/')
        .nth(2)
        .unwrap_or_default()
        .to_owned()
}

/// Whether the request on the wire carries the signature that these keys make of it.
pub(super) fn is_signed(
    request: &Received,
    (access_key_id, secret_access_key): (&str, &str),
    session_token: Option<&str>,
    service: &str,
    region: &str,
) -> bool {
    let (path, query) = request
        .target
        .split_once('?')
        .unwrap_or((&request.target, ""));
    let authorization = request.header("authorization").unwrap_or_default();
    let names = authorization
        .split_once("SignedHeaders=")
        .and_then(|(_, rest)| rest.split_once(','))
        .map_or("", |(names, _)| names);
    let implied = ["host", "x-amz-date", "x-amz-security-token"];
    let headers: Vec<(&str, &str)> = names
        .split(';')
        .filter(|name| !implied.contains(name))
        .map(|name| (name, request.header(name).unwrap_or_default()))
        .collect();
    let date = request.header("x-amz-date").unwrap_or_default();
    let date = format!(
        "{}-{}-{}T{}:{}:{}Z",
        &date[..4],
        &date[4..6],
        &date[6..8],
        &date[9..11],
        &date[11..13],
        &date[13..15]
    );
    let expected = SigV4 {
        credentials: AwsCredentials {
            access_key_id,
            secret_access_key,
            session_token,
        },
        region,
        service,
        method: &request.method,
        host: request.header("host").unwrap_or_default(),
        path,
        query,
        headers: &headers,
        body: SignedBody::Whole(&request.body),
        now: Timestamp::parse_iso(&date).unwrap(),
    };
    request.header("x-amz-security-token") == session_token
        && expected.authorization() == authorization
}

async fn integration(app: &TestApp, config: Value) -> app::Answer {
    let body = json!({ "unique_key": "aws", "provider": "aws", "integration_config": config });
    app.post("/integrations", body).await
}

fn builtin() -> Value {
    json!({ "service": "execute-api", "defaultRegion": "eu-west-1",
        "awsAccessKeyId": OWNER.0, "awsSecretAccessKey": OWNER.1 })
}

async fn connect(app: &TestApp, query: &str, body: Value) -> app::Answer {
    let path = format!(
        "/auth/aws-sigv4/aws?connection_id=a&public_key={}{query}",
        app.environment.public_key
    );
    app.anonymous("POST", &path).json(&body).send().await
}

async fn read(app: &TestApp) -> Value {
    let answer = app.get("/connections/a?provider_config_key=aws").await;
    assert_eq!(answer.status(), 200, "{}", answer.text());
    answer.json()
}

#[tokio::test]
async fn a_role_is_assumed_used_renewed_and_let_go() {
    let (app, upstream) = scene().await;
    assert_eq!(integration(&app, builtin()).await.status(), 200);
    let external = "3f1c2c6e-1111-4222-8333-444455556666";
    let body = json!({ "role_arn": "arn:aws:iam::1:role/good" });
    let query = format!("&params[external_id]={external}");
    let connected = connect(&app, &query, body).await;
    assert_eq!(connected.status(), 200, "{}", connected.text());
    let stored = read(&app).await;
    let credentials = &stored["credentials"];
    assert_eq!(credentials["type"], "AWS_SIGV4");
    assert_eq!(credentials["access_key_id"], "ASIA");
    assert_eq!(credentials["secret_access_key"], "temporary");
    assert_eq!(credentials["session_token"], "session+1==");
    assert_eq!(credentials["expires_at"], "2026-01-01T01:00:00.000Z");
    assert_eq!(credentials["external_id"], external);
    assert_eq!(
        stored["connection_config"],
        json!({ "service": "execute-api", "region": "eu-west-1", "external_id": external })
    );
    let assumed = upstream.received()[0].text();
    assert!(
        assumed.contains(&format!("ExternalId={external}")),
        "{assumed}"
    );
    assert!(assumed.contains("DurationSeconds=3600"), "{assumed}");

    let sent = app
        .request("POST", "/proxy/prod/a%20b?x=1&a=%2F")
        .header("provider-config-key", "aws")
        .header("connection-id", "a")
        .header("nango-proxy-x-own", "1")
        .json(&json!({ "n": 1 }))
        .send()
        .await;
    assert_eq!(sent.status(), 200, "{}", sent.text());
    let arrived = upstream.received().pop().unwrap();
    assert_eq!(
        arrived.target,
        "/execute-api/eu-west-1/prod/a%20b?x=1&a=%2F"
    );
    let keys = ("ASIA", "temporary");
    assert!(
        is_signed(
            &arrived,
            keys,
            Some("session+1=="),
            "execute-api",
            "eu-west-1"
        ),
        "{arrived:?}"
    );

    let before = upstream.count();
    app.clock.advance(Duration::from_secs(46 * 60));
    read(&app).await;
    assert_eq!(upstream.count(), before + 1, "assumed again before it ends");
    let renewed = upstream.received().pop().unwrap().text();
    assert!(
        renewed.contains(&format!("ExternalId={external}")),
        "{renewed}"
    );

    let gone = app.delete("/connections/a?provider_config_key=aws").await;
    assert_eq!(gone.json(), json!({ "success": true }));
}

/// Whoever could change the external id of an existing connection could talk another account's role out of its trust.
#[tokio::test]
async fn a_connection_keeps_its_region_and_external_id() {
    let (app, _upstream) = scene().await;
    assert_eq!(integration(&app, builtin()).await.status(), 200);
    let body = json!({ "role_arn": "arn:aws:iam::1:role/good", "region": "us-east-1" });
    assert_eq!(connect(&app, "", body.clone()).await.status(), 200);
    let first = read(&app).await["connection_config"].clone();
    assert_eq!(first["region"], "us-east-1");
    let other = json!({ "role_arn": "arn:aws:iam::1:role/good", "region": "eu-west-1", "type": "AWS_SIGV4" });
    let query =
        "&params[region]=sa-east-1&params[external_id]=11111111-1111-4111-8111-111111111111";
    assert_eq!(connect(&app, query, other).await.status(), 200);
    assert_eq!(read(&app).await["connection_config"], first);
}

#[tokio::test]
async fn a_service_of_the_owner_gives_keys_too() {
    let (app, upstream) = scene().await;
    let config = json!({ "service": "s3", "defaultRegion": "eu-west-1", "stsMode": "custom",
        "stsEndpointUrl": upstream.url("/own-sts"), "stsAuthType": "api_key", "stsAuthHeader": "x-sts-key", "stsApiKey": "k" });
    assert_eq!(integration(&app, config).await.status(), 200);
    let useless = connect(&app, "", json!({ "role_arn": "useless" })).await;
    assert_eq!(useless.refusal(), "400 connection_test_failed");
    let connected = connect(&app, "", json!({ "role_arn": "r" })).await;
    assert_eq!(connected.status(), 200, "{}", connected.text());
    assert_eq!(
        read(&app).await["credentials"]["session_token"],
        "own-session"
    );
    let asked: Value = serde_json::from_slice(&upstream.received()[2].body).unwrap();
    assert_eq!(asked["role_arn"], "r");
    assert_eq!(asked["region"], "eu-west-1");
    assert_eq!(asked["service"], "s3");

    // A body that is too large to keep goes to S3 unsigned, over what carries it.
    let sent = app
        .request("PUT", "/proxy/bucket/key")
        .header("provider-config-key", "aws")
        .header("connection-id", "a")
        .body("application/octet-stream", vec![7; 9 * 1024 * 1024])
        .send()
        .await;
    assert_eq!(sent.status(), 200, "{}", sent.text());
    let arrived = upstream.received().pop().unwrap();
    assert_eq!(
        arrived.header("x-amz-content-sha256"),
        Some("UNSIGNED-PAYLOAD")
    );
    assert_eq!(arrived.body_bytes, 9 * 1024 * 1024);
}

#[tokio::test]
async fn what_is_missing_is_said_by_its_code() {
    let role = || json!({ "role_arn": "arn:aws:iam::1:role/good" });
    let with = |changes: Value| {
        let mut config = builtin();
        for (name, value) in changes.as_object().unwrap() {
            config[name] = value.clone();
        }
        config
            .as_object_mut()
            .unwrap()
            .retain(|_, value| !value.is_null());
        config
    };
    let cases = [
        (
            with(json!({ "defaultRegion": null })),
            role(),
            "",
            "400 missing_aws_sigv4_region",
        ),
        (
            with(json!({ "awsAccessKeyId": null })),
            role(),
            "",
            "400 missing_aws_sigv4_builtin_credentials",
        ),
        (
            with(json!({ "stsMode": "custom" })),
            role(),
            "",
            "400 missing_aws_sigv4_sts_endpoint",
        ),
        (
            with(json!({ "awsSecretAccessKey": "wrong" })),
            role(),
            "",
            "502 aws_sigv4_sts_request_failed",
        ),
        (
            builtin(),
            json!({ "role_arn": "other" }),
            "",
            "502 aws_sigv4_sts_request_failed",
        ),
        (
            builtin(),
            json!({ "role_arn": "r", "region": "eu.evil.test" }),
            "",
            "400 invalid_aws_sigv4_config",
        ),
        (
            builtin(),
            role(),
            "&params[external_id]=mine",
            "400 invalid_aws_sigv4_config",
        ),
        (
            builtin(),
            json!({}),
            "",
            "400 invalid_body | invalid_type role_arn",
        ),
    ];
    for (config, body, query, refusal) in cases {
        let (app, _upstream) = scene().await;
        let made = integration(&app, config).await;
        assert_eq!(made.status(), 200, "{}", made.text());
        let answer = connect(&app, query, body.clone()).await;
        assert_eq!(answer.refusal(), refusal, "{body} {query}");
        assert!(!answer.text().contains("owner-secret"));
    }
}
