//! Ways to authorise, as the wire names them (auth-and-proxy.md, section 6).

use serde::{Deserialize, Serialize};

/// How a provider's connections are authorised.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub enum AuthMode {
    #[serde(rename = "OAUTH1")]
    OAuth1,
    #[serde(rename = "OAUTH2")]
    OAuth2,
    #[serde(rename = "OAUTH2_CC")]
    OAuth2ClientCredentials,
    #[serde(rename = "API_KEY")]
    ApiKey,
    #[serde(rename = "BASIC")]
    Basic,
    #[serde(rename = "TWO_STEP")]
    TwoStep,
    #[serde(rename = "JWT")]
    Jwt,
    #[serde(rename = "SIGNATURE")]
    Signature,
    #[serde(rename = "TBA")]
    Tba,
    #[serde(rename = "BILL")]
    Bill,
    #[serde(rename = "AWS_SIGV4")]
    AwsSigV4,
    #[serde(rename = "APP")]
    App,
    #[serde(rename = "CUSTOM")]
    Custom,
    #[serde(rename = "APP_STORE")]
    AppStore,
    #[serde(rename = "TABLEAU")]
    Tableau,
    #[serde(rename = "MCP_OAUTH2")]
    McpOAuth2,
    #[serde(rename = "MCP_OAUTH2_GENERIC")]
    McpOAuth2Generic,
    #[serde(rename = "INSTALL_PLUGIN")]
    InstallPlugin,
    #[serde(rename = "NONE")]
    None,
}

impl AuthMode {
    /// The wire name, for instance `OAUTH2_CC`.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::OAuth1 => "OAUTH1",
            Self::OAuth2 => "OAUTH2",
            Self::OAuth2ClientCredentials => "OAUTH2_CC",
            Self::ApiKey => "API_KEY",
            Self::Basic => "BASIC",
            Self::TwoStep => "TWO_STEP",
            Self::Jwt => "JWT",
            Self::Signature => "SIGNATURE",
            Self::Tba => "TBA",
            Self::Bill => "BILL",
            Self::AwsSigV4 => "AWS_SIGV4",
            Self::App => "APP",
            Self::Custom => "CUSTOM",
            Self::AppStore => "APP_STORE",
            Self::Tableau => "TABLEAU",
            Self::McpOAuth2 => "MCP_OAUTH2",
            Self::McpOAuth2Generic => "MCP_OAUTH2_GENERIC",
            Self::InstallPlugin => "INSTALL_PLUGIN",
            Self::None => "NONE",
        }
    }

    /// From the wire name.
    pub fn parse(text: &str) -> Option<Self> {
        serde_json::from_value(serde_json::Value::String(text.to_owned())).ok()
    }
}

impl std::fmt::Display for AuthMode {
    fn fmt(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        formatter.write_str(self.as_str())
    }
}

/// The credentials of one connection, in the shape that clients read (`type` and the fields of section 6). Kept as the
/// JSON object itself, because providers add fields of their own and callers must get them back unchanged.
pub type CredentialsJson = serde_json::Map<String, serde_json::Value>;
