//! How the Connect UI of an environment looks and behaves (connect-ui-and-dashboard.md, A3 and B3).

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};
use tenon_core::names::EnvironmentPk;
use tenon_store::StoreError;

use super::EnvironmentError;
use crate::Engine;

/// Colour of buttons where none was chosen.
const PRIMARY: &str = "#00B2E3";

/// The settings, in the shape in which the page gets them and the API answers them. What is not set is left out.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub struct ConnectUi {
    pub show_watermark: bool,
    pub default_theme: Theme,
    pub theme: Colours,
    /// Name of the application, for the sentence about what is agreed to.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub application: Option<String>,
    /// An address, or a picture as `data:`.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub logo: Option<String>,
    /// Of buttons and fields, in pixels.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub corner_radius: Option<u8>,
    /// A CSS font stack; nothing is downloaded.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub font: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub support_url: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub privacy_url: Option<String>,
    /// By language, then by the key of the text.
    #[serde(skip_serializing_if = "BTreeMap::is_empty")]
    pub texts: BTreeMap<String, BTreeMap<String, String>>,
    /// Origins that may show the page in a frame; any if there are none.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub allowed_origins: Vec<String>,
    /// Whether sessions that do not say so ask for settings of syncs.
    #[serde(skip_serializing_if = "std::ops::Not::not")]
    pub ask_settings: bool,
}

/// Light or dark.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Theme {
    Light,
    Dark,
    /// As the person's system has it.
    #[default]
    System,
}

impl Theme {
    /// From the word of the wire.
    pub fn parse(text: &str) -> Self {
        match text {
            "light" => Self::Light,
            "dark" => Self::Dark,
            _ => Self::System,
        }
    }
}

/// Colours of both themes.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct Colours {
    pub light: Palette,
    pub dark: Palette,
}

/// Colours of a theme, as `#rrggbb`.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct Palette {
    pub primary: String,
}

impl Default for Palette {
    fn default() -> Self {
        Self {
            primary: PRIMARY.to_owned(),
        }
    }
}

impl Default for ConnectUi {
    fn default() -> Self {
        Self {
            show_watermark: true,
            default_theme: Theme::System,
            theme: Colours::default(),
            application: None,
            logo: None,
            corner_radius: None,
            font: None,
            support_url: None,
            privacy_url: None,
            texts: BTreeMap::new(),
            allowed_origins: Vec::new(),
            ask_settings: false,
        }
    }
}

/// Changes; what is `None` stays, and `Some(None)` goes back to the start.
#[derive(Clone, Debug, Default)]
pub struct ConnectUiPatch {
    pub show_watermark: Option<bool>,
    pub default_theme: Option<Theme>,
    pub light: Option<String>,
    pub dark: Option<String>,
    pub application: Option<Option<String>>,
    pub logo: Option<Option<String>>,
    pub corner_radius: Option<Option<u8>>,
    pub font: Option<Option<String>>,
    pub support_url: Option<Option<String>>,
    pub privacy_url: Option<Option<String>>,
    pub texts: Option<BTreeMap<String, BTreeMap<String, String>>>,
    pub allowed_origins: Option<Vec<String>>,
    pub ask_settings: Option<bool>,
}

impl ConnectUi {
    /// The settings of an environment.
    pub async fn of(engine: &Engine, environment: EnvironmentPk) -> Result<Self, StoreError> {
        let stored = engine.reader().find_connect_ui(environment).await?;
        Ok(Self::parse(stored.as_deref()))
    }

    /// From the stored text. What a newer version wrote besides is left alone.
    fn parse(text: Option<&str>) -> Self {
        text.and_then(|text| serde_json::from_str(text).ok())
            .unwrap_or_default()
    }

    /// Changes the settings of an environment; returns them as they are afterwards.
    pub async fn patch(
        engine: &Engine,
        environment: EnvironmentPk,
        patch: ConnectUiPatch,
    ) -> Result<Self, EnvironmentError> {
        let now = engine.clock.now();
        engine
            .store
            .write(move |tx| async move {
                let mut settings = Self::parse(tx.find_connect_ui(environment).await?.as_deref());
                settings.apply(patch);
                let text = serde_json::to_string(&settings).expect("plain data can be written");
                tx.set_connect_ui(environment, &text, now).await?;
                Ok(settings)
            })
            .await
    }

    fn apply(&mut self, patch: ConnectUiPatch) {
        fn set<T>(place: &mut T, new: Option<T>) {
            if let Some(new) = new {
                *place = new;
            }
        }
        set(&mut self.show_watermark, patch.show_watermark);
        set(&mut self.default_theme, patch.default_theme);
        set(&mut self.theme.light.primary, patch.light);
        set(&mut self.theme.dark.primary, patch.dark);
        set(&mut self.application, patch.application);
        set(&mut self.logo, patch.logo);
        set(&mut self.corner_radius, patch.corner_radius);
        set(&mut self.font, patch.font);
        set(&mut self.support_url, patch.support_url);
        set(&mut self.privacy_url, patch.privacy_url);
        set(&mut self.texts, patch.texts);
        set(&mut self.allowed_origins, patch.allowed_origins);
        set(&mut self.ask_settings, patch.ask_settings);
    }
}

/// Who may show the page in a frame. It does not know yet for which environment it is opened, so that its header allows
/// what any of them allows; the page itself then holds the one that its session belongs to against its own list.
/// `None`: everybody.
pub async fn frame_origins(engine: &Engine) -> Result<Option<Vec<String>>, StoreError> {
    let mut origins = Vec::new();
    for stored in engine.reader().list_connect_ui().await? {
        let own = ConnectUi::parse(stored.as_deref()).allowed_origins;
        if own.is_empty() {
            return Ok(None);
        }
        origins.extend(own);
    }
    origins.sort();
    origins.dedup();
    Ok((!origins.is_empty()).then_some(origins))
}
