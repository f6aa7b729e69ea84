//! Parameters in the path.

use axum::{
    extract::{FromRequestParts, RawPathParams},
    http::request::Parts,
};
use serde_json::{Map, Value};

use crate::{ApiError, ErrorCode, validate::Input};

/// The parameters of the matched route, decoded, to be checked by [`crate::validate`].
#[derive(Clone, Debug)]
pub struct UriParams(Value);

impl UriParams {
    /// The parameters as input of checks that end in `invalid_uri_params`.
    pub const fn input(&self) -> Input<'_> {
        Input::new(ErrorCode::InvalidUriParams, Some(&self.0))
    }

    /// A parameter, unchecked; empty if the route has none of this name.
    pub fn get(&self, name: &str) -> &str {
        self.0.get(name).and_then(Value::as_str).unwrap_or_default()
    }

    /// The connection id of the route, checked.
    pub fn connection_id(&self, name: &'static str) -> Result<&str, ApiError> {
        let input = self.input();
        input
            .object()
            .required(name)
            .text()
            .min(1)
            .connection_id()
            .take();
        input.finish()?;
        Ok(self.get(name))
    }

    /// The integration key of the route, checked.
    pub fn integration_key(&self, name: &'static str) -> Result<&str, ApiError> {
        let input = self.input();
        input
            .object()
            .required(name)
            .text()
            .integration_key()
            .take();
        input.finish()?;
        Ok(self.get(name))
    }
}

impl<S: Send + Sync> FromRequestParts<S> for UriParams {
    type Rejection = ApiError;

    async fn from_request_parts(parts: &mut Parts, state: &S) -> Result<Self, ApiError> {
        let params = RawPathParams::from_request_parts(parts, state)
            .await
            .map_err(|error| ApiError::bad_request(ErrorCode::InvalidUriParams, error))?;
        let map: Map<String, Value> = params
            .iter()
            .map(|(name, value)| (name.to_owned(), Value::from(value)))
            .collect();
        Ok(Self(Value::Object(map)))
    }
}
