use serde_json::{Map, Value, json};
use tenon_core::Timestamp;
use uuid::Uuid;

use super::*;

/// Made for this test.
const RSA: &str = include_str!("testdata_rsa.pem");

fn object(value: Value) -> Map<String, Value> {
    value.as_object().expect("an object literal").clone()
}

fn with<T>(test: impl FnOnce(&Context<'_>) -> T) -> T {
    let config = object(json!({
        "subdomain": "acme",
        "hostname": "support.acme.example:8443",
        "url": "https://crm.acme.example/base",
        "empty": "",
        "sneaky": "evil.example/?",
        "port": 8080,
        "flag": true,
        "accounts-server": "https://accounts.example.eu",
        "team.id": "T1",
        "nested": { "list": ["zero", "one"] },
    }));
    let credentials = object(
        json!({ "apiKey": "k/1 2", "username": "ann", "password": "s3cret", "odd": "${password}" }),
    );
    let scope = Scope::new()
        .with_object("connectionConfig", &config)
        .with_object("credentials", &credentials)
        .with_members(&credentials)
        .with_value("accessToken", "token-1");
    // 2026-03-05T07:09:01.234Z, a Thursday
    let now = Timestamp::from_millis(1_772_694_541_234);
    let random = Uuid::from_u128(0x0000_0000_0000_4000_8000_0000_0000_0001);
    test(&Context::new(&scope, now, random))
}

#[test]
fn placeholders_become_values() {
    let cases = [
        ("plain", "plain"),
        (
            "https://${connectionConfig.subdomain}.example",
            "https://acme.example",
        ),
        ("Bearer ${accessToken}", "Bearer token-1"),
        ("${apiKey}", "k/1 2"),
        ("${credentials.username}:${username}", "ann:ann"),
        ("${connectionConfig.port}", "8080"),
        (
            "${connectionConfig.accounts-server}/x",
            "https://accounts.example.eu/x",
        ),
        ("${connectionConfig.team.id}", "T1"),
        ("${connectionConfig.nested.list.1}", "one"),
        ("${random}", "00000000-0000-4000-8000-000000000001"),
        // No value, or none that is a text or number: left as written.
        ("${connectionConfig.missing}", "${connectionConfig.missing}"),
        ("${connectionConfig.flag}", "${connectionConfig.flag}"),
        ("${connectionConfig.nested}", "${connectionConfig.nested}"),
        ("a ${b", "a ${b"),
        (
            "mutation { signIn(u: \"${username}\") { token } }",
            "mutation { signIn(u: \"ann\") { token } }",
        ),
        // A value that looks like a placeholder is not filled again.
        ("${credentials.odd}", "${password}"),
    ];
    with(|context| {
        for (template, text) in cases {
            assert_eq!(render(template, context), text, "{template}");
        }
    });
}

#[test]
fn the_first_alternative_that_can_be_filled_is_taken() {
    let cases = [
        ("${connectionConfig.subdomain} || fallback", "acme"),
        ("${connectionConfig.missing} || fallback", "fallback"),
        ("${connectionConfig.empty} || fallback", "fallback"),
        (
            "${connectionConfig.missing} || ${connectionConfig.subdomain}",
            "acme",
        ),
        (
            "${connectionConfig.missing}-${connectionConfig.subdomain} || x-${connectionConfig.subdomain}",
            "x-acme",
        ),
        (
            "${connectionConfig.a} || ${connectionConfig.b}",
            "${connectionConfig.b}",
        ),
        // Bars without spaces are text.
        ("${username}||${password}", "ann||s3cret"),
    ];
    with(|context| {
        for (template, text) in cases {
            assert_eq!(render(template, context), text, "{template}");
        }
    });
}

#[test]
fn functions_compute_and_nest() {
    let cases = [
        (
            "Basic ${base64(${username}:${password})}",
            "Basic YW5uOnMzY3JldA==",
        ),
        (
            "${sha256Hex(abc)}",
            "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad",
        ),
        (
            "${sha256Base64(abc)}",
            "ungWv48Bz+pBQUDeXa4iI7ADYaOWF3qctBD/YfIAFa0=",
        ),
        // RFC 2202, test case 2; the message holds a comma of its own.
        (
            "${hmacSha1Hex(what do ya want for nothing?, Jefe)}",
            "effcdf6ae5eb2fa2d27416d5f184df9c259a7c79",
        ),
        (
            "${sha256Hex(${base64(${username})})}",
            "9351a99aed5143896156449d38579d1a767be9c02027afbee6532862d191f92a",
        ),
        // Something inside stays open, so the call does.
        (
            "${base64(${connectionConfig.missing})}",
            "${base64(${connectionConfig.missing})}",
        ),
        ("${unknown(x)}", "${unknown(x)}"),
    ];
    with(|context| {
        for (template, text) in cases {
            assert_eq!(render(template, context), text, "{template}");
        }
    });
}

#[test]
fn messages_may_hold_commas_and_keys_may_hold_anything() {
    let credentials = object(json!({ "password": "a,b)c" }));
    let scope = Scope::new().with_members(&credentials);
    let context = Context::new(&scope, Timestamp::from_secs(0), Uuid::nil());
    let text = render("${hmacSha1Hex(${now:ddd, DD}\nGET, ${password})}", &context);
    // hmac.new(b"a,b)c", b"Thu, 01\nGET", "sha1") in Python.
    assert_eq!(text, "61ce3a7a980215d674cf2750763161506181e102");
}

#[test]
fn ed25519_signs_and_rsa_has_a_fingerprint() {
    // The key of RFC 8032, test 1, with line breaks written out, as people paste it.
    let ed25519 = "-----BEGIN PRIVATE KEY-----\\nMC4CAQAwBQYDK2VwBCIEIJ1hsZ3v/VpguoRK9JLsLMREScVpezJpGXA7rAMcrn9g\\n-----END PRIVATE KEY-----";
    let credentials = object(json!({ "pem": ed25519, "broken": "no key", "rsa": RSA }));
    let scope = Scope::new().with_object("credentials", &credentials);
    let context = Context::new(&scope, Timestamp::from_secs(0), Uuid::nil());
    // RFC 8032, test 1: the empty message.
    assert_eq!(
        render("${ed25519Sign(, ${credentials.pem})}", &context),
        "5VZDAMNgrHKQhuLMgG6CioSHfx645dl02HPgZSJJAVVfuIIVkKM7rMYeOXAc+bRr0lv18FlbviRlUUFDjnoQCw==",
    );
    assert_eq!(
        unresolved("${ed25519Sign(x, ${credentials.broken})}", &context),
        ["ed25519Sign"],
    );
    // What `openssl pkey -pubout -outform DER | openssl dgst -sha256 -binary | base64` says.
    assert_eq!(
        render("${fingerprint(${credentials.rsa})}", &context),
        "SHA256:mv50uSBdx08+azqLVlpGjzYy5mZlb1Pkiia2PQUS4cs=",
    );
    assert_eq!(
        render("${fingerprint(${credentials.broken})}", &context),
        "${fingerprint(${credentials.broken})}"
    );
}

#[test]
fn now_takes_formats_and_shifts() {
    let cases = [
        ("${now}", "2026-03-05T07:09:01.234Z"),
        ("${now:X}", "1772694541"),
        ("${now:x}", "1772694541234"),
        ("${now:YYYY-MM-DDTHH:mm:ss}", "2026-03-05T07:09:01"),
        ("${now:YYYYMMDDTHHmmss[Z]}", "20260305T070901Z"),
        (
            "${now:ddd, DD MMM YYYY HH:mm:ss ZZ}",
            "Thu, 05 Mar 2026 07:09:01 +0000",
        ),
        ("${now:D/M/YY h:mm A}", "5/3/26 7:09 AM"),
        ("${now+7:days:YYYY-MM-DD}", "2026-03-12"),
        ("${now+1:minutes:X}", "1772694601"),
        ("${now-1:hour}", "2026-03-05T06:09:01.234Z"),
        ("${now+1:eternities}", "${now+1:eternities}"),
        ("${nowhere}", "${nowhere}"),
    ];
    with(|context| {
        for (template, text) in cases {
            assert_eq!(render(template, context), text, "{template}");
        }
    });
}

#[test]
fn what_is_missing_is_named() {
    let cases: [(&str, &[&str]); 5] = [
        ("${connectionConfig.subdomain}", &[]),
        (
            "${connectionConfig.a}${connectionConfig.b}${connectionConfig.a}",
            &["connectionConfig.a", "connectionConfig.b"],
        ),
        (
            "${connectionConfig.a} || ${connectionConfig.subdomain}",
            &[],
        ),
        (
            "${connectionConfig.a} || ${connectionConfig.b}",
            &["connectionConfig.b"],
        ),
        ("${base64(${connectionConfig.a})}", &["connectionConfig.a"]),
    ];
    with(|context| {
        for (template, missing) in cases {
            assert_eq!(unresolved(template, context), missing, "{template}");
        }
    });
}

#[test]
fn urls_keep_values_in_their_place() {
    let ok = [
        (
            "https://${connectionConfig.subdomain}.example/a",
            "https://acme.example/a",
        ),
        (
            "https://api.example/${apiKey}/x?k=${apiKey}",
            "https://api.example/k%2F1%202/x?k=k%2F1%202",
        ),
        // The host is the field: a port and a whole URL are fine.
        (
            "https://${connectionConfig.hostname}/a",
            "https://support.acme.example:8443/a",
        ),
        (
            "${connectionConfig.url}/a",
            "https://crm.acme.example/base/a",
        ),
        (
            "${connectionConfig.missing} || https://fallback.example",
            "https://fallback.example/",
        ),
    ];
    with(|context| {
        for (template, url) in ok {
            assert_eq!(
                render_url(template, context).map(String::from).as_deref(),
                Ok(url),
                "{template}"
            );
        }
        // A part of a host cannot break out of it.
        assert!(matches!(
            render_url("https://${connectionConfig.sneaky}.zendesk.com/", context),
            Err(UrlError::NotAUrl(_))
        ));
        assert_eq!(
            render_url("https://${connectionConfig.missing}.zendesk.com/", context),
            Err(UrlError::Unresolved(vec![
                "connectionConfig.missing".to_owned()
            ]))
        );
        assert_eq!(
            render_url_raw("${connectionConfig.url}/new", context)
                .map(String::from)
                .as_deref(),
            Ok("https://crm.acme.example/base/new")
        );
    });
}

#[test]
fn aws_signatures_match_the_published_example() {
    // "GET ListUsers" of the AWS documentation of Signature Version 4.
    let credentials = object(json!({
        "username": "AKIDEXAMPLE",
        "password": "wJalrXUtnFEMI/K7MDENG+bPxRfiCYEXAMPLEKEY",
    }));
    let scope = Scope::new().with_object("credentials", &credentials);
    let now = Timestamp::parse_iso("2015-08-30T12:36:00Z").expect("an instant");
    let context = Context::new(&scope, now, Uuid::nil()).with_request(RequestParts {
        method: "GET",
        host: "iam.amazonaws.com",
        path: "/",
        query: "Action=ListUsers&Version=2010-05-08",
        body: b"",
        content_type: Some("application/x-www-form-urlencoded; charset=utf-8"),
    });
    assert_eq!(
        render(
            "${awsSigV4(${credentials.username}, ${credentials.password}, us-east-1, iam)}",
            &context
        ),
        "AWS4-HMAC-SHA256 Credential=AKIDEXAMPLE/20150830/us-east-1/iam/aws4_request, \
         SignedHeaders=content-type;host;x-amz-date, \
         Signature=5d672d79c15b13162d9279b0855cfba6789a8edb4c82c400e06b5924a6f2b5d7",
    );
}
