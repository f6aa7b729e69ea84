//! The URL that a person's browser is sent to (auth-and-proxy.md, 6.1).

use serde_json::{Map, Value};
use tenon_providers::{
    Provider,
    template::{self, Context, UrlError},
};
use url::{Url, form_urlencoded};

/// What the browser may not choose: a link with its own values for these could take the flow over.
const RESERVED: [&str; 5] = [
    "client_id",
    "redirect_uri",
    "state",
    "code_challenge",
    "code_challenge_method",
];

/// A URL to build.
#[derive(Clone, Debug)]
pub struct Authorize<'a> {
    pub provider: &'a Provider,
    pub client_id: &'a str,
    pub redirect_uri: &'a str,
    pub scopes: &'a [String],
    pub state: &'a str,
    /// Absent for providers that refuse PKCE.
    pub code_challenge: Option<&'a str>,
    /// Parameters of this flow; they win over the provider's. The text `undefined` takes one out.
    pub params: &'a Map<String, Value>,
    /// Scopes of a second token, for providers that answer with two.
    pub user_scope: Option<&'a str>,
}

/// Builds the URL. `context` fills the provider's templates.
pub fn url(authorize: &Authorize<'_>, context: &Context<'_>) -> Result<String, UrlError> {
    let provider = authorize.provider;
    let template = provider.authorization_url.as_deref().unwrap_or_default();
    let base = base_url(provider, template, context)?;
    let query = query(authorize, &base, context);
    let mut place = base;
    place.set_query(None);
    place.set_fragment(None);
    let mut text = place.to_string();
    if let Some(fragment) = &provider.authorization_url_fragment {
        text.push('#');
        text.push_str(fragment);
    }
    text.push('?');
    text.push_str(&query);
    for (from, to) in &provider.authorization_url_replacements {
        text = text.replacen(from, to, 1);
    }
    if provider.authorization_url_skip_empty {
        text = without_empty(&text);
    }
    Ok(text)
}

/// Scopes as the integration keeps them (a comma list), one by one.
pub fn scopes(list: Option<&str>) -> Vec<String> {
    let scopes = list.unwrap_or_default().split(',').map(str::trim);
    scopes
        .filter(|scope| !scope.is_empty())
        .map(str::to_owned)
        .collect()
}

fn base_url(provider: &Provider, template: &str, context: &Context<'_>) -> Result<Url, UrlError> {
    if provider.writes_base_url_unencoded() {
        template::render_url_raw(template, context)
    } else {
        template::render_url(template, context)
    }
}

fn query(authorize: &Authorize<'_>, base: &Url, context: &Context<'_>) -> String {
    let provider = authorize.provider;
    let mut params = Params(
        base.query_pairs()
            .map(|(name, value)| (name.into_owned(), value.into_owned()))
            .collect(),
    );
    let scope = authorize.scopes.join(provider.scope_separator());
    params.set("response_type", "code");
    params.set("client_id", authorize.client_id);
    params.set("redirect_uri", authorize.redirect_uri);
    params.set("scope", &scope);
    params.set("state", authorize.state);
    for (name, value) in &template::render_map(&provider.authorization_params, context) {
        params.apply(name, value);
    }
    if let Some(challenge) = authorize.code_challenge {
        params.set("code_challenge", challenge);
        params.set("code_challenge_method", "S256");
    }
    if let Some(user_scope) = authorize.user_scope {
        params.set("user_scope", user_scope);
    }
    for (name, value) in authorize.params {
        if !RESERVED.contains(&name.as_str()) {
            params.apply(name, value);
        }
    }
    let raw_scope = provider
        .authorization_url_skip_encode
        .iter()
        .any(|part| part == "scopes");
    if raw_scope {
        let scope = params.take("scope").unwrap_or_default();
        return format!("{}&scope={scope}", params.encoded());
    }
    params.encoded()
}

fn without_empty(url: &str) -> String {
    let Some((place, query)) = url.split_once('?') else {
        return url.to_owned();
    };
    let full: Vec<&str> = query
        .split('&')
        .filter(|pair| {
            pair.split_once('=')
                .is_some_and(|(_, value)| !value.is_empty())
        })
        .collect();
    format!("{place}?{}", full.join("&"))
}

/// Query parameters: a name keeps the place where it was set first.
struct Params(Vec<(String, String)>);

impl Params {
    fn set(&mut self, name: &str, value: &str) {
        match self.0.iter_mut().find(|(known, _)| known == name) {
            Some((_, old)) => value.clone_into(old),
            None => self.0.push((name.to_owned(), value.to_owned())),
        }
    }

    fn take(&mut self, name: &str) -> Option<String> {
        let place = self.0.iter().position(|(known, _)| known == name)?;
        Some(self.0.remove(place).1)
    }

    fn apply(&mut self, name: &str, value: &Value) {
        match value {
            Value::String(text) if text == "undefined" => {
                self.take(name);
            }
            Value::String(text) => self.set(name, text),
            Value::Number(_) | Value::Bool(_) => self.set(name, &value.to_string()),
            Value::Null | Value::Array(_) | Value::Object(_) => {}
        }
    }

    fn encoded(&self) -> String {
        let mut query = form_urlencoded::Serializer::new(String::new());
        for (name, value) in &self.0 {
            query.append_pair(name, value);
        }
        query.finish()
    }
}

#[cfg(test)]
mod tests;
