//! The three ways of paging (functions.md, 2.3).

use std::sync::Arc;

use serde_json::{Value, json};
use tenon_core::function::{HostCall, HostReply, HttpReply, ProxyBody, ProxyCall, ProxyParams};

use crate::common::{TestHost, failure, output};

/// A host whose provider has these settings and answers the n-th request with the n-th page.
fn pages(settings: Value, pages: Vec<(Value, Option<&'static str>)>) -> Arc<TestHost> {
    let next = std::sync::atomic::AtomicUsize::new(0);
    TestHost::new(move |call| match call {
        HostCall::PaginationSettings { .. } => Ok(HostReply::Json(settings.clone())),
        HostCall::Proxy(_) => {
            let at = next.fetch_add(1, std::sync::atomic::Ordering::SeqCst);
            let (body, link) = pages.get(at).cloned().unwrap_or((json!([]), None));
            let mut headers = vec![("content-type".to_owned(), "application/json".to_owned())];
            headers.extend(link.map(|link| ("link".to_owned(), link.to_owned())));
            Ok(HostReply::Response(Box::new(HttpReply {
                status: 200,
                headers,
                body: body.to_string().into(),
                ..HttpReply::default()
            })))
        }
        _ => Ok(HostReply::Done),
    })
}

/// The pages that a function sees with this configuration.
async fn seen(host: &Arc<TestHost>, config: &str) -> Value {
    let body = format!(
        "const all = []; for await (const page of nango.paginate({{ endpoint: '/items', {config} }})) all.push(page); return all"
    );
    output(&body, Value::Null, host.clone()).await
}

fn requests(host: &TestHost) -> Vec<ProxyCall> {
    let calls = host.calls().into_iter();
    calls
        .filter_map(|call| match call {
            HostCall::Proxy(call) => Some(*call),
            _ => None,
        })
        .collect()
}

fn query(call: &ProxyCall) -> String {
    match &call.params {
        Some(ProxyParams::Pairs(pairs)) => pairs
            .iter()
            .map(|(name, value)| format!("{name}={value}"))
            .collect::<Vec<_>>()
            .join("&"),
        Some(ProxyParams::Text(text)) => text.clone(),
        None => String::new(),
    }
}

const CURSOR: &str = "paginate: { type: 'cursor', cursor_path_in_response: 'meta.next', cursor_name_in_request: 'after', response_path: 'items', limit_name_in_request: 'size', limit: 2 }";

#[tokio::test]
async fn a_cursor_is_followed_until_it_is_gone() {
    let host = pages(
        Value::Null,
        vec![
            (json!({"items": [1, 2], "meta": {"next": " c1 "}}), None),
            (json!({"items": [3], "meta": {"next": 7}}), None),
            (json!({"items": [4], "meta": {"next": ""}}), None),
        ],
    );
    assert_eq!(
        seen(&host, &format!("params: {{ q: 'x' }}, {CURSOR}")).await,
        json!([[1, 2], [3], [4]])
    );
    let queries: Vec<String> = requests(&host).iter().map(query).collect();
    assert_eq!(
        queries,
        ["q=x&size=2", "q=x&size=2&after=c1", "q=x&size=2&after=7"]
    );
}

#[tokio::test]
async fn an_empty_page_ends_a_cursor() {
    let host = pages(
        Value::Null,
        vec![(json!({"items": [], "meta": {"next": "c1"}}), None)],
    );
    assert_eq!(seen(&host, CURSOR).await, json!([]));
    assert_eq!(requests(&host).len(), 1);
}

#[tokio::test]
async fn parameters_of_a_post_go_into_its_body_at_their_path() {
    let host = pages(
        Value::Null,
        vec![
            (json!({"items": [1], "meta": {"next": "c1"}}), None),
            (json!({"items": [2]}), None),
        ],
    );
    let config = "method: 'POST', data: { filter: 1 }, paginate: { type: 'cursor', cursor_path_in_response: 'meta.next', \
                  cursor_name_in_request: 'page.after', response_path: 'items', limit_name_in_request: 'page.size', limit: 1 }";
    assert_eq!(seen(&host, config).await, json!([[1], [2]]));
    let bodies: Vec<String> = requests(&host)
        .into_iter()
        .map(|call| match call.body {
            ProxyBody::Json(text) => String::from_utf8(text.to_vec()).unwrap(),
            other => panic!("a body of JSON: {other:?}"),
        })
        .collect();
    assert_eq!(
        bodies,
        [
            r#"{"filter":1,"page":{"size":1}}"#,
            r#"{"filter":1,"page":{"size":1,"after":"c1"}}"#
        ]
    );
}

#[tokio::test]
async fn links_are_followed_and_every_page_is_given() {
    let next = "<https://other.example/v2/items?page=2>; rel=\"next\", <https://x/>; rel=\"prev\"";
    let host = pages(
        json!({"type": "link", "link_rel_in_response_header": "next"}),
        vec![
            (json!([1]), Some(next)),
            (json!({"no": "array"}), Some("</v2/items?page=3>; rel=next")),
            (json!([]), None),
        ],
    );
    assert_eq!(
        seen(&host, "params: { q: 1 }").await,
        json!([[1], {"no": "array"}, []])
    );
    let calls = requests(&host);
    assert_eq!(
        (calls[0].endpoint.as_str(), query(&calls[0]).as_str()),
        ("/items", "q=1")
    );
    assert_eq!(
        (
            calls[1].endpoint.as_str(),
            calls[1].base_url_override.as_deref(),
            query(&calls[1]).as_str()
        ),
        ("/v2/items?page=2", Some("https://other.example"), "")
    );
    assert_eq!(calls[2].endpoint, "/v2/items?page=3");
}

#[tokio::test]
async fn a_link_in_the_body_that_repeats_ends_it() {
    let host = pages(
        Value::Null,
        vec![
            (
                json!({"value": [1], "@odata.nextLink": "/items?skip=1"}),
                None,
            ),
            (
                json!({"value": [2], "@odata.nextLink": "/items?skip=1"}),
                None,
            ),
        ],
    );
    let config = "paginate: { type: 'link', link_path_in_response_body: '@odata.nextLink', response_path: 'value' }";
    assert_eq!(seen(&host, config).await, json!([[1], [2]]));
    assert_eq!(requests(&host).len(), 2);
}

#[tokio::test]
async fn offsets_grow_by_what_was_answered_or_by_page() {
    let host = pages(
        Value::Null,
        vec![
            (json!([1, 2]), None),
            (json!([3, 4]), None),
            (json!([5]), None),
        ],
    );
    let config = "paginate: { type: 'offset', offset_name_in_request: 'from', limit_name_in_request: 'n', limit: 2 }";
    assert_eq!(seen(&host, config).await, json!([[1, 2], [3, 4], [5]]));
    let queries: Vec<String> = requests(&host).iter().map(query).collect();
    assert_eq!(queries, ["n=2&from=0", "n=2&from=2", "n=2&from=4"]);

    let host = pages(Value::Null, vec![(json!([1, 2]), None), (json!([3]), None)]);
    let config = "paginate: { type: 'offset', offset_name_in_request: 'page', offset_start_value: 1, offset_calculation_method: 'per-page' }";
    assert_eq!(seen(&host, config).await, json!([[1, 2], [3]]));
    let queries: Vec<String> = requests(&host).iter().map(query).collect();
    assert_eq!(queries, ["page=1", "page=2", "page=3"]);
}

#[tokio::test]
async fn on_page_hears_of_each_page_that_has_a_successor_to_look_for() {
    let host = pages(Value::Null, vec![(json!([1, 2]), None), (json!([3]), None)]);
    let body = "const heard = []; for await (const page of nango.paginate({ endpoint: '/x', paginate: { type: 'offset', offset_name_in_request: 'o', \
                limit_name_in_request: 'n', limit: 2, on_page: async ({ nextPageParam, response }) => heard.push([nextPageParam, response.status]) } })); return heard";
    assert_eq!(output(body, Value::Null, host).await, json!([[2, 200]]));
}

#[tokio::test]
async fn the_calls_settings_win_over_the_providers() {
    let settings = json!({"type": "cursor", "cursor_path_in_response": "next", "cursor_name_in_request": "c", "response_path": "data"});
    let host = pages(settings, vec![(json!({"rows": [1]}), None)]);
    assert_eq!(
        seen(&host, "paginate: { response_path: 'rows' }").await,
        json!([[1]])
    );
}

#[tokio::test]
async fn what_is_missing_is_said() {
    let missing = |config: &'static str| async move {
        let host = pages(Value::Null, vec![]);
        failure(
            &format!("for await (const page of nango.paginate({{ endpoint: '/x', {config} }}));"),
            host,
        )
        .await
        .message
    };
    assert!(missing("").await.contains("no pagination configuration"));
    assert!(
        missing("paginate: { type: 'cursor' }")
            .await
            .contains("cursor_name_in_request")
    );
    assert!(
        missing("paginate: { type: 'link' }")
            .await
            .contains("link_path_in_response_body")
    );
    assert!(
        missing("paginate: { type: 'offset' }")
            .await
            .contains("offset_name_in_request")
    );
    assert!(
        missing("paginate: { type: 'sideways' }")
            .await
            .contains("sideways")
    );
}
