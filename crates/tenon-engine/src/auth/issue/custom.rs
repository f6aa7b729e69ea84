//! Apps that a person installs and authorises in one go: an installation's token for the work, a person's token beside it
//! (auth-and-proxy.md, 6.6).

use std::time::Duration;

use serde_json::{Map, Value};
use tenon_core::{auth::CredentialsJson, limits};
use tenon_providers::template;
use url::Url;

use super::{INSTALLATION, Issued, Party, Vars, app, keep, kept, oauth2, text};
use crate::{
    auth::request::{self, TokenFailure, TokenRequest},
    connections::expiry::expires_at,
};

/// Where clients find the person's token in the connection config.
pub(crate) const USER: &str = "userCredentials";

/// Installations of a person that are looked through: pages of a hundred.
const PAGES: u32 = 10;
const PAGE: usize = 100;

/// The person's token is renewed with the installation's, which lives an hour: so it has to last as long.
const USER_MARGIN: Duration = Duration::from_secs(3_600 + limits::REFRESH_MARGIN.as_secs());

/// Whether there is an installation; until then there is nothing to renew.
pub(super) fn is_renewable(stored: &CredentialsJson) -> bool {
    text(stored, "type") == Some("APP")
}

/// Credentials of an installation, with the person's token kept beside them.
pub async fn installed(
    party: Party<'_>,
    user: &CredentialsJson,
    installation: &str,
) -> Result<Issued, TokenFailure> {
    let mut given = Map::new();
    given.insert(INSTALLATION.to_owned(), installation.into());
    let mut issued = app::issue(party, &given).await?;
    keep(&mut issued.credentials, USER, Value::Object(user.clone()));
    let config = &mut issued.connection_config;
    config.insert(INSTALLATION.to_owned(), installation.into());
    if let Some(app_id) = &party.integration.secrets.app_id {
        config.insert("app_id".to_owned(), app_id.as_str().into());
    }
    Ok(issued)
}

/// A new token of the installation, and of the person where that is due.
pub(super) async fn renew(
    party: Party<'_>,
    stored: &CredentialsJson,
) -> Result<Issued, TokenFailure> {
    let mut issued = app::issue(party, stored).await?;
    let Some(user) = kept(stored, USER).and_then(Value::as_object) else {
        return Ok(issued);
    };
    let soon = party.engine.clock.now().plus(USER_MARGIN);
    let is_due = expires_at(user).is_some_and(|end| end <= soon);
    let mut user = user.clone();
    if is_due && text(&user, "refresh_token").is_some() {
        match oauth2::renew(party, &user).await {
            Ok(renewed) => user = renewed.credentials,
            // The installation works without it.
            Err(failure) => tracing::warn!("a person's token was not renewed: {}", failure.cause),
        }
    }
    keep(&mut issued.credentials, USER, Value::Object(user));
    Ok(issued)
}

/// Whether the person whose token this is may use an installation. The number in a callback is anybody's to choose: only
/// the provider knows.
pub async fn can_reach(
    party: Party<'_>,
    user: &CredentialsJson,
    installation: &str,
) -> Result<bool, TokenFailure> {
    let token = text(user, "access_token").unwrap_or_default();
    let vars = Vars::new(&party);
    let base = party.provider.base_url().unwrap_or_default();
    let base: Url = vars
        .with(|context| template::render_url(base, context))
        .map_err(|error| TokenFailure::ours("base_url", format!("the base URL has {error}")))?;
    let base = base.as_str().trim_end_matches('/').to_owned();
    for page in 1..=PAGES {
        let address = format!("{base}/user/installations?per_page={PAGE}&page={page}");
        let url = Url::parse(&address)
            .map_err(|_| TokenFailure::ours("base_url", "the base URL is no URL"))?;
        let mut request = TokenRequest::post(url)
            .header("accept", "application/vnd.github+json")
            .header("authorization", format!("Bearer {token}"))
            .header("user-agent", "Tenon");
        request.method = http::Method::GET;
        let answer = request::send(party.engine, request).await?.object()?;
        let list = answer.get("installations").and_then(Value::as_array);
        let Some(list) = list else { return Ok(false) };
        let is_it = |item: &Value| {
            item.get("id")
                .is_some_and(|id| id.to_string().trim_matches('"') == installation)
        };
        if list.iter().any(is_it) {
            return Ok(true);
        }
        if list.len() < PAGE {
            return Ok(false);
        }
    }
    Ok(false)
}
