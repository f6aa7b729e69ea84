//! The page in the popup once a flow has ended (connect-ui-and-dashboard.md, A4).
//!
//! It tells whoever opened it, waits to be acknowledged and closes. What the provider said is only ever text: it stands
//! in a data block that no browser runs, and reaches the page through `textContent`.

use axum::{
    http::{HeaderName, HeaderValue, StatusCode, header},
    response::{Html, IntoResponse, Response},
};
use maud::{DOCTYPE, PreEscaped, html};
use serde_json::{Value, json};
use tenon_engine::auth::flow::FlowError;

use crate::App;

const STYLE: &str = "
:root { color-scheme: light dark; font: 16px/1.5 system-ui, sans-serif; }
body { display: grid; place-items: center; min-height: 90vh; margin: 0; padding: 1rem; }
main { max-width: 28rem; text-align: center; }
h1 { font-size: 1.25rem; }
details { text-align: left; margin-top: 1rem; }
pre { white-space: pre-wrap; overflow-wrap: anywhere; font-size: .8125rem; }
";

const SCRIPT: &str = "
(() => {
  const SUCCESS = 'nango_oauth_callback_success', ERROR = 'nango_oauth_callback_error', ACK = 'nango_oauth_callback_ack';
  const message = JSON.parse(document.getElementById('result').textContent);
  const isError = message.type === ERROR;
  const details = document.getElementById('details');
  if (isError && details) details.textContent = message.payload.message;
  window.addEventListener('message', (event) => {
    if (event.data && event.data.type === ACK) window.close();
  });
  try { if (window.opener) window.opener.postMessage(message, '*'); } catch (error) { console.warn(error); }
  try { new BroadcastChannel('nango-oauth-callback').postMessage(message); } catch (error) { console.warn(error); }
  if (message.type === SUCCESS) setTimeout(() => window.close(), 500);
})();
";

/// The page of a flow that ended well.
pub(super) fn connected(app: &App) -> Response {
    let message = json!({ "type": "nango_oauth_callback_success" });
    page(
        app,
        StatusCode::OK,
        "Connected",
        "You can close this window.",
        &message,
    )
}

/// The page of a flow that failed.
pub(super) fn failed(app: &App, error: &FlowError) -> Response {
    let message = json!({
        "type": "nango_oauth_callback_error",
        "payload": { "message": error.message, "errorType": error.kind.as_str() },
    });
    let text = "The connection could not be made. You can close this window and try again.";
    page(
        app,
        StatusCode::BAD_REQUEST,
        "Not connected",
        text,
        &message,
    )
}

fn page(app: &App, status: StatusCode, title: &str, text: &str, message: &Value) -> Response {
    let nonce = app.engine.ids.hex(16);
    let is_error = status != StatusCode::OK;
    // A `<` could end the data block; JSON has another way to write it.
    let data = message.to_string().replace('<', "\\u003c");
    let page = html! {
        (DOCTYPE)
        html lang="en" {
            head {
                meta charset="utf-8";
                meta name="viewport" content="width=device-width, initial-scale=1";
                title { (title) }
                style nonce=(nonce) { (PreEscaped(STYLE)) }
            }
            body {
                main {
                    h1 { (title) }
                    p { (text) }
                    @if is_error {
                        details { summary { "Details" } pre id="details" {} }
                    }
                }
                script type="application/json" id="result" { (PreEscaped(data)) }
                script nonce=(nonce) { (PreEscaped(SCRIPT)) }
            }
        }
    };
    let policy = format!(
        "default-src 'none'; script-src 'nonce-{nonce}'; style-src 'nonce-{nonce}'; base-uri 'none'; \
         form-action 'none'; frame-ancestors 'none'"
    );
    let policy: (HeaderName, HeaderValue) = (
        header::CONTENT_SECURITY_POLICY,
        HeaderValue::from_str(&policy)
            .unwrap_or_else(|_| HeaderValue::from_static("default-src 'none'")),
    );
    (status, [policy], Html(page.into_string())).into_response()
}
