//! The door of a simulated provider: every request goes to one place, whatever its path.

use axum::{
    Router,
    body::{Body, to_bytes},
    extract::Request,
    http::{HeaderName, HeaderValue, StatusCode},
    response::{IntoResponse as _, Response},
};
use bytes::Bytes;
use tenon_core::limits;

/// A request as it came.
#[derive(Clone, Debug)]
pub struct Asked {
    pub method: String,
    /// Path and query.
    pub target: String,
    /// Lower-case names.
    pub headers: Vec<(String, String)>,
    pub body: Bytes,
}

/// What is answered.
#[derive(Clone, Debug)]
pub struct Answered {
    pub status: u16,
    pub headers: Vec<(String, String)>,
    pub body: Bytes,
}

/// Hands every request to `answer`, whoever that is.
pub fn router<A, F>(answer: A) -> Router
where
    A: Fn(Asked) -> F + Clone + Send + Sync + 'static,
    F: Future<Output = Answered> + Send,
{
    Router::new().fallback(move |request: Request| {
        let answer = answer.clone();
        async move {
            match asked(request).await {
                Some(asked) => response(answer(asked).await),
                None => StatusCode::PAYLOAD_TOO_LARGE.into_response(),
            }
        }
    })
}

/// `None` where the body is too large.
async fn asked(request: Request) -> Option<Asked> {
    let (head, body) = request.into_parts();
    let body = to_bytes(body, limits::REQUEST_BODY_BYTES).await.ok()?;
    let target = head.uri.path_and_query();
    Some(Asked {
        method: head.method.as_str().to_owned(),
        target: target.map_or_else(|| "/".to_owned(), ToString::to_string),
        headers: head
            .headers
            .iter()
            .map(|(name, value)| {
                let value = String::from_utf8_lossy(value.as_bytes()).into_owned();
                (name.as_str().to_owned(), value)
            })
            .collect(),
        body,
    })
}

fn response(answered: Answered) -> Response {
    let status = StatusCode::from_u16(answered.status).unwrap_or(StatusCode::INTERNAL_SERVER_ERROR);
    let mut response = Response::new(Body::from(answered.body));
    *response.status_mut() = status;
    for (name, value) in &answered.headers {
        let name = HeaderName::from_bytes(name.as_bytes());
        if let (Ok(name), Ok(value)) = (name, HeaderValue::from_str(value)) {
            response.headers_mut().append(name, value);
        }
    }
    response
}
