//! How each mode is walked.

use serde_json::{Value, json};
use tenon_core::auth::AuthMode;
use url::Url;

use super::{Connect, Renewal, Revocation, Walk, providers};
use crate::auth::flows::param;

/// The way of a mode; nothing for those that no provider has.
pub(super) fn walk(mode: AuthMode) -> Option<Walk> {
    let walk = match mode {
        AuthMode::OAuth1 => oauth1(),
        AuthMode::OAuth2 => oauth2(),
        AuthMode::OAuth2ClientCredentials => client_credentials(),
        AuthMode::ApiKey => api_key(),
        AuthMode::Basic => basic(),
        AuthMode::TwoStep => two_step(),
        AuthMode::Jwt => jwt(),
        AuthMode::Signature => signature(),
        AuthMode::Tba => tba(),
        AuthMode::Bill => bill(),
        AuthMode::AwsSigV4 => aws(),
        AuthMode::App => app(),
        AuthMode::Custom => custom(),
        AuthMode::McpOAuth2 => mcp(),
        AuthMode::McpOAuth2Generic => mcp_generic(),
        AuthMode::InstallPlugin => plugin(),
        AuthMode::None => open(),
        AuthMode::AppStore | AuthMode::Tableau => return None,
    };
    Some(walk)
}

fn form(route: &'static str, params: &'static str, body: Value) -> Connect {
    Connect::Form {
        route,
        params,
        body,
        wrong: None,
    }
}

/// The same form, which is refused with the other value of this member.
fn tried(connect: Connect, member: &str, value: &str, refusal: &'static str) -> Connect {
    let Connect::Form {
        route,
        params,
        body,
        ..
    } = connect
    else {
        return connect;
    };
    let mut wrong = body.clone();
    wrong[member] = value.into();
    Connect::Form {
        route,
        params,
        body,
        wrong: Some((wrong, refusal)),
    }
}

/// Back with a code.
fn with_code(location: &Url) -> String {
    let state = param(location.as_str(), "state");
    format!("/oauth/callback?code=c&state={state}")
}

fn own_app(kind: &str) -> Value {
    json!({ "credentials": { "type": kind, "client_id": "cid", "client_secret": "sec" } })
}

fn oauth1() -> Walk {
    Walk {
        provider: "oauth1",
        ours: false,
        integration: own_app("OAUTH1"),
        connect: Connect::Browser {
            params: "",
            back: |location| {
                let callback = Url::parse(&param(location.as_str(), "oauth_callback"));
                let query = callback.as_ref().ok().and_then(Url::query);
                let query = query.unwrap_or_default();
                format!("/oauth/callback?{query}&oauth_token=rt&oauth_verifier=v")
            },
        },
        credentials: json!({ "type": "OAUTH1", "oauth_token": "at", "oauth_token_secret": "ats", "raw": "*" }),
        renewal: Renewal::Never,
        revocation: Revocation::Unsupported,
        script: providers::oauth1,
    }
}

fn oauth2() -> Walk {
    Walk {
        provider: "revocable",
        ours: false,
        integration: own_app("OAUTH2"),
        connect: Connect::Browser {
            params: "",
            back: with_code,
        },
        credentials: json!({ "type": "OAUTH2", "access_token": "a1", "refresh_token": "r1",
            "expires_at": "2026-01-01T01:00:00.000Z", "raw": "*" }),
        renewal: Renewal::After { minutes: 50 },
        revocation: Revocation::Told,
        script: providers::oauth2,
    }
}

fn client_credentials() -> Walk {
    let body = json!({ "client_id": "cid", "client_secret": "sec" });
    let connect = form("/oauth2/auth", "params[subdomain]=acme", body);
    Walk {
        provider: "onelogin",
        ours: true,
        integration: json!({}),
        connect: tried(
            connect,
            "client_secret",
            "wrong",
            "400 client_credentials_fetch_error",
        ),
        credentials: json!({ "type": "OAUTH2_CC", "token": "a1", "client_id": "cid", "client_secret": "sec",
            "expires_at": "2026-01-01T01:00:00.000Z", "raw": "*" }),
        renewal: Renewal::After { minutes: 50 },
        revocation: Revocation::Told,
        script: providers::client_credentials,
    }
}

fn api_key() -> Walk {
    let connect = form("/api-auth/api-key", "", json!({ "apiKey": "good" }));
    Walk {
        provider: "key",
        ours: false,
        integration: json!({}),
        connect: tried(connect, "apiKey", "bad", "400 connection_test_failed"),
        credentials: json!({ "type": "API_KEY", "apiKey": "good" }),
        renewal: Renewal::Never,
        revocation: Revocation::Unsupported,
        script: providers::api_key,
    }
}

fn basic() -> Walk {
    let body = json!({ "username": "ann", "password": "pä:ss" });
    let connect = form("/api-auth/basic", "", body);
    Walk {
        provider: "basic-verified",
        ours: false,
        integration: json!({}),
        connect: tried(connect, "password", "bad", "400 connection_test_failed"),
        credentials: json!({ "type": "BASIC", "username": "ann", "password": "pä:ss" }),
        renewal: Renewal::Never,
        revocation: Revocation::Unsupported,
        script: providers::basic,
    }
}

fn two_step() -> Walk {
    let body = json!({ "type": "TWO_STEP", "user": "u", "password": "right" });
    let connect = form("/auth/two-step", "params[tenant]=acme", body);
    Walk {
        provider: "two-steps",
        ours: false,
        integration: json!({}),
        connect: tried(
            connect,
            "password",
            "wrong",
            "400 two_step_credentials_fetch_error",
        ),
        credentials: json!({ "type": "TWO_STEP", "user": "u", "password": "right", "token": "t1", "refresh_token": "r1",
            "expires_at": "2026-01-01T01:00:00.000Z", "raw": "*" }),
        renewal: Renewal::After { minutes: 50 },
        revocation: Revocation::Unsupported,
        script: providers::two_step,
    }
}

fn jwt() -> Walk {
    let body = json!({ "type": "JWT", "apiSecretId": "id", "apiSecretKey": "secret" });
    let connect = form("/auth/jwt", "", body);
    Walk {
        provider: "heymarket",
        ours: true,
        integration: json!({}),
        connect: tried(
            connect,
            "apiSecretKey",
            "wrong",
            "400 connection_test_failed",
        ),
        credentials: json!({ "type": "JWT", "apiSecretId": "id", "apiSecretKey": "secret", "token": "*",
            "expires_at": "2026-01-01T00:05:00.000Z" }),
        renewal: Renewal::After { minutes: 6 },
        revocation: Revocation::Unsupported,
        script: providers::jwt,
    }
}

fn signature() -> Walk {
    let body = json!({ "type": "SIGNATURE", "username": "user", "password": "right" });
    let connect = form("/auth/signature", "", body);
    Walk {
        provider: "emarsys",
        ours: true,
        integration: json!({}),
        connect: tried(connect, "password", "wrong", "400 connection_test_failed"),
        credentials: json!({ "type": "SIGNATURE", "username": "user", "password": "right", "token": "*",
            "expires_at": "2026-01-01T00:05:00.000Z" }),
        renewal: Renewal::After { minutes: 6 },
        revocation: Revocation::Unsupported,
        script: providers::signature,
    }
}

fn tba() -> Walk {
    let body = json!({ "token_id": "ti", "token_secret": "ts" });
    let connect = form("/auth/tba", "params[accountId]=123-sb1", body);
    Walk {
        provider: "tba-verified",
        ours: false,
        integration: own_app("TBA"),
        connect: tried(
            connect,
            "token_secret",
            "wrong",
            "400 connection_test_failed",
        ),
        credentials: json!({ "type": "TBA", "token_id": "ti", "token_secret": "ts", "config_override": {} }),
        renewal: Renewal::Never,
        revocation: Revocation::Unsupported,
        script: providers::tba,
    }
}

fn bill() -> Walk {
    let body =
        json!({ "username": "u", "password": "right", "organization_id": "o", "dev_key": "d" });
    let connect = form("/auth/bill", "", body);
    Walk {
        provider: "bill",
        ours: true,
        integration: json!({}),
        connect: tried(
            connect,
            "password",
            "wrong",
            "400 request_token_external_error",
        ),
        credentials: json!({ "type": "BILL", "username": "u", "password": "right", "organization_id": "o",
            "dev_key": "d", "session_id": "s1", "user_id": "u1", "expires_at": "2026-01-01T00:35:00.000Z", "raw": "*" }),
        renewal: Renewal::After { minutes: 36 },
        revocation: Revocation::Unsupported,
        script: providers::bill,
    }
}

fn aws() -> Walk {
    let body = json!({ "role_arn": "arn:aws:iam::1:role/good" });
    let connect = form("/auth/aws-sigv4", "", body);
    let config = json!({ "service": "execute-api", "defaultRegion": "eu-west-1",
        "awsAccessKeyId": "AKIDOWNER", "awsSecretAccessKey": "owner-secret" });
    Walk {
        provider: "aws",
        ours: false,
        integration: json!({ "integration_config": config }),
        connect: tried(
            connect,
            "role_arn",
            "arn:aws:iam::1:role/bad",
            "502 aws_sigv4_sts_request_failed",
        ),
        credentials: json!({ "type": "AWS_SIGV4", "role_arn": "arn:aws:iam::1:role/good", "region": "eu-west-1",
            "service": "execute-api", "access_key_id": "ASIA", "secret_access_key": "temporary",
            "session_token": "session1", "external_id": "*", "expires_at": "2026-01-01T01:00:00.000Z", "raw": "*" }),
        renewal: Renewal::After { minutes: 50 },
        revocation: Revocation::Unsupported,
        script: providers::aws,
    }
}

/// Back from the installation of an app.
fn installed(location: &Url) -> String {
    let state = param(location.as_str(), "state");
    format!("/app-auth/connect?state={state}&installation_id=22&setup_action=install")
}

fn app() -> Walk {
    Walk {
        provider: "github-app",
        ours: true,
        integration: json!({ "credentials": { "type": "APP", "app_id": "11", "app_link": "https://apps.example/x",
            "private_key": providers::app_key() } }),
        connect: Connect::Browser {
            params: "",
            back: installed,
        },
        credentials: json!({ "type": "APP", "access_token": "i1", "expires_at": "2026-01-01T01:00:00.000Z",
            "raw": "*", "jwtToken": "*" }),
        renewal: Renewal::After { minutes: 50 },
        revocation: Revocation::Told,
        script: providers::app,
    }
}

fn custom() -> Walk {
    Walk {
        provider: "github-app-oauth",
        ours: true,
        integration: json!({ "credentials": { "type": "CUSTOM", "client_id": "cid", "client_secret": "sec",
            "app_id": "11", "app_link": "https://apps.example/x", "private_key": providers::app_key() } }),
        connect: Connect::Browser {
            params: "",
            back: |location| {
                let state = param(location.as_str(), "state");
                let came = "code=ann&installation_id=22&setup_action=install";
                format!("/oauth/callback?state={state}&{came}")
            },
        },
        credentials: json!({ "type": "APP", "access_token": "i1", "expires_at": "2026-01-01T01:00:00.000Z",
            "raw": "*", "jwtToken": "*" }),
        renewal: Renewal::After { minutes: 50 },
        revocation: Revocation::Told,
        script: providers::app,
    }
}

fn mcp() -> Walk {
    Walk {
        provider: "mcp-dynamic",
        ours: false,
        integration: json!({}),
        connect: Connect::Browser {
            params: "",
            back: with_code,
        },
        credentials: json!({ "type": "OAUTH2", "access_token": "a1", "refresh_token": "r1",
            "expires_at": "2026-01-01T01:00:00.000Z", "raw": "*" }),
        renewal: Renewal::After { minutes: 50 },
        revocation: Revocation::Unsupported,
        script: providers::mcp,
    }
}

fn mcp_generic() -> Walk {
    Walk {
        provider: "mcp-any",
        ours: false,
        integration: json!({}),
        connect: Connect::Browser {
            params: "params[mcp_server_url]=$UP/mcp",
            back: with_code,
        },
        credentials: json!({ "type": "OAUTH2", "access_token": "a1", "refresh_token": "r1",
            "expires_at": "2026-01-01T01:00:00.000Z", "raw": "*", "config_override": "*" }),
        renewal: Renewal::After { minutes: 50 },
        revocation: Revocation::Told,
        script: providers::mcp,
    }
}

fn plugin() -> Walk {
    Walk {
        provider: "crisp-plugin-install",
        ours: true,
        integration: json!({ "custom": { "username": "plugin", "password": "key",
            "app_link": "https://app.crisp.test/install" } }),
        connect: Connect::Browser {
            params: "",
            back: |location| {
                let state = param(location.as_str(), "payload");
                format!("/oauth/callback?payload={state}&website_id=w1&token=ignored")
            },
        },
        credentials: json!({ "type": "BASIC", "username": "plugin", "password": "key" }),
        renewal: Renewal::Never,
        revocation: Revocation::Unsupported,
        script: providers::plugin,
    }
}

fn open() -> Walk {
    Walk {
        provider: "none",
        ours: false,
        integration: json!({}),
        connect: form("/auth/unauthenticated", "", json!({})),
        credentials: json!({}),
        renewal: Renewal::Never,
        revocation: Revocation::Nothing,
        script: providers::open,
    }
}
