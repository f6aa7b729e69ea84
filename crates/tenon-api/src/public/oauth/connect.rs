//! The way to the provider.

use axum::{
    extract::{OriginalUri, State},
    http::{HeaderMap, HeaderValue, StatusCode, header},
    response::{IntoResponse, Response},
};
use tenon_core::{Secret, Timestamp};
use tenon_engine::auth::flow::{self, Overrides, Redirect, Start};
use url::Url;

use super::{browser, page};
use crate::{
    ApiError, App, UriParams,
    caller::FlowCaller,
    public::auth::visitor::{self, visitor},
    query::Query,
};

/// Marks a request that was sent to the right host already, so that a proxy that hides the host makes no circle.
const MOVED: &str = "moved_host";

/// `GET /oauth/connect/{key}`
pub(super) async fn connect(
    State(app): State<App>,
    caller: FlowCaller,
    uri: UriParams,
    query: Query,
    OriginalUri(original): OriginalUri,
    headers: HeaderMap,
) -> Result<Response, ApiError> {
    let visitor = visitor(caller, &uri, &query)?;
    let from_browser = browser::is_browser(&headers);
    let own = visitor.environment.callback_url.as_deref();
    if from_browser && query.text(MOVED).is_none() {
        let callback_url = flow::callback_url(&app.engine, own);
        if let Some(url) = right_host(&app, &callback_url, &headers, &original) {
            return Ok(found(&url));
        }
    }
    let credential = |name: &str| {
        let given = query.0.get("credentials")?.get(name)?.as_str()?;
        Some(given.to_owned()).filter(|text| !text.is_empty())
    };
    let ws_client_id = query.text("ws_client_id");
    let start = Start {
        visitor,
        overrides: Overrides {
            client_id: credential("oauth_client_id_override"),
            client_secret: credential("oauth_client_secret_override").map(Secret::new),
            refresh_token: credential("oauth_refresh_token_override").map(Secret::new),
        },
        ws_client_id: ws_client_id
            .filter(|id| uuid::Uuid::parse_str(id).is_ok())
            .map(str::to_owned),
        from_browser,
    };
    match flow::start(&app.engine, start).await {
        Ok(redirect) => Ok(away(&app, &redirect)),
        Err(Ok(error)) => Ok(page::failed(&app, &error)),
        Err(Err(error)) => Err(visitor::refused(error)),
    }
}

/// The same request at the host that the provider will send the browser back to, if it came to another one: the cookie
/// of the flow has to be set there. A callback URL with a path of its own leads there over a detour; then our public
/// address is where the browser arrives.
fn right_host(
    app: &App,
    callback_url: &str,
    headers: &HeaderMap,
    original: &axum::http::Uri,
) -> Option<String> {
    let callback = Url::parse(callback_url).ok()?;
    let arrives_at = if callback.path() == "/oauth/callback" {
        callback
    } else {
        Url::parse(&app.engine.settings.public_url).ok()?
    };
    let came_to = headers.get(header::HOST)?.to_str().ok()?;
    let wanted = match arrives_at.port() {
        Some(port) => format!("{}:{port}", arrives_at.host_str()?),
        None => arrives_at.host_str()?.to_owned(),
    };
    if came_to.eq_ignore_ascii_case(&wanted) {
        return None;
    }
    let origin = arrives_at.origin().ascii_serialization();
    let query = original.query().unwrap_or_default();
    Some(format!("{origin}{}?{query}&{MOVED}=1", original.path()))
}

fn away(app: &App, redirect: &Redirect) -> Response {
    let mut response = found(&redirect.url);
    if let Some(state) = &redirect.cookie {
        let is_https = app.engine.settings.public_url.starts_with("https://");
        let cookie = cookie(state, app.engine.clock.now(), is_https);
        if let Ok(value) = HeaderValue::from_str(&cookie) {
            response.headers_mut().append(header::SET_COOKIE, value);
        }
    }
    response
}

/// A 302 with the text that the reference's clients see.
pub(super) fn found(url: &str) -> Response {
    let text = format!("Found. Redirecting to {url}");
    let plain = (
        header::CONTENT_TYPE,
        HeaderValue::from_static("text/plain; charset=utf-8"),
    );
    let mut response = (StatusCode::FOUND, [plain], text).into_response();
    match HeaderValue::from_str(url) {
        Ok(location) => {
            response.headers_mut().insert(header::LOCATION, location);
            response
        }
        Err(_) => ApiError::internal_text("a redirect to an address with control characters")
            .into_response(),
    }
}

fn cookie(state: &str, now: Timestamp, is_https: bool) -> String {
    let name = flow::cookie_name(state);
    let expires = http_date(now.plus(flow::TTL));
    let same_site = if is_https { "None; Secure" } else { "Lax" };
    format!(
        "{name}=1; Max-Age={}; Path=/; Expires={expires}; HttpOnly; SameSite={same_site}",
        flow::TTL.as_secs()
    )
}

/// `Sun, 06 Nov 1994 08:49:37 GMT`.
fn http_date(instant: Timestamp) -> String {
    const DAYS: [&str; 7] = ["Thu", "Fri", "Sat", "Sun", "Mon", "Tue", "Wed"];
    const MONTHS: [&str; 12] = [
        "Jan", "Feb", "Mar", "Apr", "May", "Jun", "Jul", "Aug", "Sep", "Oct", "Nov", "Dec",
    ];
    let text = instant.iso_millis();
    let weekday = usize::try_from(instant.secs().div_euclid(86_400).rem_euclid(7)).unwrap_or(0);
    let month: usize = text
        .get(5..7)
        .and_then(|month| month.parse().ok())
        .unwrap_or(1);
    let part = |from: usize, to: usize| text.get(from..to).unwrap_or_default();
    format!(
        "{}, {} {} {} {} GMT",
        DAYS[weekday],
        part(8, 10),
        MONTHS[(month - 1) % 12],
        part(0, 4),
        part(11, 19)
    )
}

#[cfg(test)]
mod tests {
    use tenon_core::Timestamp;

    use super::{cookie, http_date};

    #[test]
    fn dates_are_written_the_http_way() {
        assert_eq!(
            http_date(Timestamp::from_secs(784_111_777)),
            "Sun, 06 Nov 1994 08:49:37 GMT"
        );
        assert_eq!(
            http_date(Timestamp::from_secs(0)),
            "Thu, 01 Jan 1970 00:00:00 GMT"
        );
    }

    #[test]
    fn cookies_cross_sites_only_over_https() {
        let now = Timestamp::from_secs(0);
        assert_eq!(
            cookie("s", now, false),
            "oauth2-s=1; Max-Age=3600; Path=/; Expires=Thu, 01 Jan 1970 01:00:00 GMT; HttpOnly; SameSite=Lax"
        );
        assert!(cookie("s", now, true).ends_with("HttpOnly; SameSite=None; Secure"));
    }
}
