//! `nango.get` and its kin: what is sent and what comes back (functions.md, 2.2 and 2.4).

use serde_json::{Value, json};
use tenon_core::function::{
    FetchCall, HostCall, HostErrorKind, HostReply, HttpReply, ProxyBody, ProxyCall, ProxyParams,
};

use crate::common::{TestHost, answering, json_response, output, refused, response};

/// The request that this body makes.
async fn sent(body: &str) -> ProxyCall {
    let host = answering(json!({}));
    output(body, Value::Null, host.clone()).await;
    let calls = host.calls();
    let Some(HostCall::Proxy(call)) = calls.first() else {
        panic!("no request was made: {calls:?}");
    };
    (**call).clone()
}

/// What `expression` is, where `r` is the response.
async fn received(host: std::sync::Arc<TestHost>, config: &str, expression: &str) -> Value {
    let body =
        format!("const r = await nango.get({{ endpoint: '/x', {config} }}); return {expression}");
    output(&body, Value::Null, host).await
}

#[tokio::test]
async fn every_option_reaches_the_host() {
    let call = sent(
        "await nango.proxy({ endpoint: '/echo', method: 'post', params: { p: 1, list: [1, 2], none: undefined }, \
         headers: { 'X-Mine': 'm', 'X-None': undefined }, data: { q: 1 }, retries: 3, retryOn: [404], \
         retryHeader: { at: 'x-at', after: ['x-after'] }, baseUrlOverride: 'https://other.example', \
         decompress: true, forwardHeadersOnRedirect: false, providerConfigKey: 'k', connectionId: 'c' })",
    )
    .await;
    assert_eq!(
        (call.method.as_str(), call.endpoint.as_str()),
        ("POST", "/echo")
    );
    let Some(ProxyParams::Pairs(pairs)) = call.params else {
        panic!("parameters are pairs");
    };
    assert_eq!(
        pairs,
        [("p".into(), "1".into()), ("list".into(), "1,2".into())]
    );
    assert_eq!(
        call.headers,
        [
            ("X-Mine".into(), "m".into()),
            ("Content-Type".into(), "application/json".into())
        ]
    );
    assert!(matches!(call.body, ProxyBody::Json(text) if text == r#"{"q":1}"#));
    assert_eq!((call.retries, call.retry_on), (3, vec![404]));
    let header = call.retry_header.unwrap();
    assert_eq!(
        (header.at, header.after),
        (vec!["x-at".to_owned()], vec!["x-after".to_owned()])
    );
    assert_eq!(
        call.base_url_override.as_deref(),
        Some("https://other.example")
    );
    assert_eq!(
        (call.decompress, call.forward_headers_on_redirect),
        (Some(true), Some(false))
    );
    assert_eq!(
        (
            call.provider_config_key.as_deref(),
            call.connection_id.as_deref()
        ),
        (Some("k"), Some("c"))
    );
}

#[tokio::test]
async fn the_verbs_set_the_method() {
    for verb in ["get", "post", "put", "patch", "delete"] {
        let call = sent(&format!(
            "const {{ {verb}: send }} = nango; await send({{ endpoint: '/x', method: 'HEAD' }})"
        ))
        .await;
        assert_eq!(call.method, verb.to_uppercase());
    }
    assert_eq!(
        sent("await nango.proxy({ endpoint: '/x' })").await.method,
        "GET"
    );
}

#[tokio::test]
async fn bodies_are_written_as_axios_writes_them() {
    let typed = |call: &ProxyCall| {
        call.headers
            .iter()
            .find(|(name, _)| name.eq_ignore_ascii_case("content-type"))
            .map(|(_, value)| value.clone())
    };

    let text = sent("await nango.post({ endpoint: '/x', data: 'a=b' })").await;
    assert!(matches!(&text.body, ProxyBody::Text(text) if text == "a=b"));
    assert_eq!(
        typed(&text).as_deref(),
        Some("application/x-www-form-urlencoded")
    );

    let quoted = sent("await nango.post({ endpoint: '/x', data: 'plain', headers: { 'content-type': 'application/json' } })").await;
    assert!(matches!(&quoted.body, ProxyBody::Json(text) if text == "\"plain\""));

    let kept = sent("await nango.post({ endpoint: '/x', data: '{\"a\": 1}', headers: { 'content-type': 'application/json' } })").await;
    assert!(matches!(&kept.body, ProxyBody::Json(text) if text == "{\"a\": 1}"));

    let form = sent(
        "await nango.post({ endpoint: '/x', data: new URLSearchParams({ a: '1 2', b: 'é' }) })",
    )
    .await;
    assert!(
        matches!(&form.body, ProxyBody::Form(pairs) if *pairs == [("a".into(), "1 2".into()), ("b".into(), "é".into())])
    );

    let nested = sent("await nango.post({ endpoint: '/x', data: { a: { b: 1 }, l: [1, 2] }, headers: { 'Content-Type': 'application/x-www-form-urlencoded' } })").await;
    assert!(
        matches!(&nested.body, ProxyBody::Form(pairs) if *pairs == [("a[b]".into(), "1".into()), ("l[]".into(), "1".into()), ("l[]".into(), "2".into())])
    );

    let bytes = sent("await nango.post({ endpoint: '/x', data: Buffer.from([0, 255]) })").await;
    assert!(matches!(&bytes.body, ProxyBody::Bytes(bytes) if bytes[..] == [0, 255]));

    let parts = sent("const f = new FormData(); f.append('a', '1'); f.append('f', new Blob(['hey'], { type: 'text/plain' }), 'f.txt'); await nango.post({ endpoint: '/x', data: f })").await;
    let ProxyBody::Bytes(body) = &parts.body else {
        panic!("a form with files is bytes");
    };
    let body = String::from_utf8(body.to_vec()).unwrap();
    let boundary = typed(&parts)
        .unwrap()
        .strip_prefix("multipart/form-data; boundary=")
        .unwrap()
        .to_owned();
    assert_eq!(body.matches(&boundary).count(), 3);
    assert!(
        body.contains("name=\"f\"; filename=\"f.txt\"\r\nContent-Type: text/plain\r\n\r\nhey\r\n"),
        "{body}"
    );

    let nothing = sent("await nango.delete({ endpoint: '/x' })").await;
    assert!(matches!(nothing.body, ProxyBody::Empty) && typed(&nothing).is_none());
}

#[tokio::test]
async fn a_response_has_the_shape_that_axios_gives() {
    let host = TestHost::new(|_| {
        Ok(HostReply::Response(Box::new(HttpReply {
            status: 201,
            status_text: "Created".into(),
            headers: vec![
                ("content-type".into(), "application/json".into()),
                ("set-cookie".into(), "a=1".into()),
                ("set-cookie".into(), "b=2".into()),
                ("x-many".into(), "1".into()),
                ("x-many".into(), "2".into()),
            ],
            body: "{\"a\":[1,{\"__proto__\":{\"polluted\":true}}]}".into(),
            url: "https://api.example.com/x".into(),
            ..HttpReply::default()
        })))
    });
    let seen = received(
        host,
        "",
        "{ keys: Object.keys(r).sort(), status: r.status, text: r.statusText, many: r.headers['x-many'], \
         cookies: r.headers['set-cookie'], got: r.headers.get('Content-Type'), data: r.data, \
         clean: r.data.a[1].polluted === undefined && ({}).polluted === undefined }",
    )
    .await;
    assert_eq!(
        seen,
        json!({
            "keys": ["config", "data", "headers", "request", "status", "statusText"],
            "status": 201, "text": "Created", "many": "1, 2", "cookies": ["a=1", "b=2"], "got": "application/json",
            "data": {"a": [1, {"__proto__": {"polluted": true}}]}, "clean": true,
        })
    );
}

#[tokio::test]
async fn bodies_are_read_as_axios_reads_them() {
    let reading = |body: &'static [u8]| {
        TestHost::new(move |_| response(200, "application/octet-stream", body))
    };
    let cases: [(&[u8], &str, &str, Value); 10] = [
        (b"[1]", "", "r.data", json!([1])),
        (b"\xef\xbb\xbf{\"a\":1}", "", "r.data", json!({"a": 1})),
        (b"[1] x", "", "r.data", json!("[1] x")),
        (b"", "", "r.data", json!("")),
        (b"12", "", "r.data", json!(12)),
        (b"[1]", "responseType: 'text'", "r.data", json!("[1]")),
        (
            b"\xff\x00",
            "responseType: 'arraybuffer'",
            "[Buffer.isBuffer(r.data), ...r.data]",
            json!([true, 255, 0]),
        ),
        (
            b"[1]",
            "responseType: 'arraybuffer'",
            "r.data.toString('base64')",
            json!("WzFd"),
        ),
        (b"\xffa", "", "r.data", json!("\u{fffd}a")),
        (
            b"chunks",
            "responseType: 'stream'",
            "await new Promise((done) => { let all = ''; r.data.on('data', (c) => { all += c }); r.data.on('end', () => done(all)) })",
            json!("chunks"),
        ),
    ];
    for (body, config, expression, expected) in cases {
        assert_eq!(
            received(reading(body), config, expression).await,
            expected,
            "{config} {expression}"
        );
    }
}

#[tokio::test]
async fn an_error_status_throws_what_axios_throws() {
    let host = TestHost::new(|_| json_response(404, &json!({"m": 1})));
    let seen = output(
        "try { await nango.get({ endpoint: '/x' }) } catch (e) { return [e.isAxiosError, e instanceof Error, e.name, e.message, e.code, \
         e.status, e.response.status, e.response.data, e.response.headers['content-type'], e.config.method] }",
        Value::Null,
        host,
    )
    .await;
    assert_eq!(
        seen,
        json!([true, true, "AxiosError", "Request failed with status code 404", "ERR_BAD_REQUEST", 404, 404, {"m": 1}, "application/json", "get"])
    );
    let host = TestHost::new(|_| refused(HostErrorKind::Http, "ECONNRESET"));
    let seen = output(
        "try { await nango.get({ endpoint: '/x' }) } catch (e) { return [e.isAxiosError, e.code, e.response === undefined] }",
        Value::Null,
        host,
    )
    .await;
    assert_eq!(seen, json!([true, "ECONNRESET", true]));
}

#[tokio::test]
async fn many_requests_at_a_time_are_answered_each() {
    let host = TestHost::new(|call| match call {
        HostCall::Proxy(call) => json_response(200, &json!({ "at": call.endpoint })),
        _ => Ok(HostReply::Done),
    });
    let seen = output(
        "const all = await Promise.all(Array.from({ length: 1000 }, (_, i) => nango.get({ endpoint: '/' + i }))); \
         return all.every((r, i) => r.data.at === '/' + i)",
        Value::Null,
        host,
    )
    .await;
    assert_eq!(seen, json!(true));
}

#[tokio::test]
async fn an_uncontrolled_fetch_answers_with_a_web_response() {
    let host = TestHost::new(|call| match call {
        HostCall::UncontrolledFetch(_) => json_response(404, &json!({"a": 1})),
        _ => Ok(HostReply::Done),
    });
    let seen = output(
        "const r = await nango.uncontrolledFetch({ url: new URL('https://api.example.com/x'), method: 'POST', headers: { a: 'b' }, body: 'hey' }); \
         return [r.ok, r.status, r.headers.get('Content-Type'), await r.clone().text(), await r.json(), r.url]",
        Value::Null,
        host.clone(),
    )
    .await;
    assert_eq!(
        seen,
        json!([false, 404, "application/json", "{\"a\":1}", {"a": 1}, "https://api.example.com/"])
    );
    let calls = host.calls();
    let [
        HostCall::UncontrolledFetch(FetchCall {
            url,
            method,
            headers,
            body,
        }),
    ] = &calls[..]
    else {
        panic!("one request: {calls:?}");
    };
    assert_eq!(
        (url.as_str(), method.as_str()),
        ("https://api.example.com/x", "POST")
    );
    assert_eq!(headers[0], ("a".to_owned(), "b".to_owned()));
    assert_eq!(body.as_deref(), Some(&b"hey"[..]));

    let host = TestHost::new(|_| refused(HostErrorKind::Action, "url_not_allowed"));
    let seen = output(
        "try { await nango.uncontrolledFetch({ url: 'http://169.254.169.254/' }) } catch (e) { return [e instanceof nango.ActionError, e.payload.code] }",
        Value::Null,
        host,
    )
    .await;
    assert_eq!(seen, json!([true, "url_not_allowed"]));
}
