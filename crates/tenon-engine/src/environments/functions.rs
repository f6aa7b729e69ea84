//! What functions of an environment may do, and what is asked of the records that they save.

use tenon_store::environments::FunctionSettingsRow;

/// Most hosts that an environment opens besides those of its providers.
pub const MAX_EGRESS_HOSTS: usize = 100;

/// Where functions may send requests to.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum EgressMode {
    /// Wherever the guard lets every request go.
    #[default]
    Open,
    /// Only to hosts of the provider of the connection, and to those that the environment names.
    ProviderOnly,
}

/// Whether functions see credentials.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum TokenMode {
    /// As they are.
    #[default]
    Visible,
    /// Never: only the host puts them into requests, and only into those for hosts of the provider.
    HostOnly,
}

/// What happens to records that do not fit the schema of their model.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Validation {
    /// Nobody looks.
    Off,
    /// They are saved, counted and named in the operation of the run.
    #[default]
    Warn,
    /// They are kept aside with the reason; the others are saved.
    Quarantine,
}

impl EgressMode {
    /// The stored word.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Open => "open",
            Self::ProviderOnly => "provider-only",
        }
    }

    /// From the stored word; what is not known is closed.
    pub fn parse(text: &str) -> Self {
        match text {
            "open" => Self::Open,
            _ => Self::ProviderOnly,
        }
    }
}

impl TokenMode {
    /// The stored word.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Visible => "visible",
            Self::HostOnly => "host-only",
        }
    }

    /// From the stored word; what is not known is closed.
    pub fn parse(text: &str) -> Self {
        match text {
            "visible" => Self::Visible,
            _ => Self::HostOnly,
        }
    }
}

impl Validation {
    /// The stored word.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Off => "off",
            Self::Warn => "warn",
            Self::Quarantine => "quarantine",
        }
    }

    /// From the stored word.
    pub fn parse(text: &str) -> Self {
        match text {
            "off" => Self::Off,
            "quarantine" => Self::Quarantine,
            _ => Self::Warn,
        }
    }
}

/// The settings of an environment, read.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct FunctionSettings {
    pub egress: EgressMode,
    /// Hosts that are open besides the provider's: `host`, `host:port` or `*.domain`.
    pub egress_hosts: Vec<String>,
    pub tokens: TokenMode,
    pub validation: Validation,
}

impl From<&FunctionSettingsRow> for FunctionSettings {
    fn from(row: &FunctionSettingsRow) -> Self {
        Self {
            egress: EgressMode::parse(&row.egress_mode),
            egress_hosts: serde_json::from_str(&row.egress_hosts).unwrap_or_default(),
            tokens: TokenMode::parse(&row.token_mode),
            validation: Validation::parse(&row.record_validation),
        }
    }
}

/// Changes to them; what is `None` stays.
#[derive(Clone, Debug, Default)]
pub struct FunctionSettingsPatch {
    pub egress: Option<EgressMode>,
    pub egress_hosts: Option<Vec<String>>,
    pub tokens: Option<TokenMode>,
    pub validation: Option<Validation>,
}

impl FunctionSettingsPatch {
    pub(super) fn apply(self, row: &mut FunctionSettingsRow) {
        if let Some(egress) = self.egress {
            row.egress_mode = egress.as_str().to_owned();
        }
        if let Some(hosts) = self.egress_hosts {
            row.egress_hosts = serde_json::Value::from(hosts).to_string();
        }
        if let Some(tokens) = self.tokens {
            row.token_mode = tokens.as_str().to_owned();
        }
        if let Some(validation) = self.validation {
            row.record_validation = validation.as_str().to_owned();
        }
    }
}
