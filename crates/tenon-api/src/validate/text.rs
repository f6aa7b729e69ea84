//! Texts.

use std::sync::LazyLock;

use regex::Regex;
use tenon_core::limits;
use url::Url;

use super::input::Field;

static EMAIL: LazyLock<Regex> = LazyLock::new(|| {
    Regex::new(r"^[A-Za-z0-9_'+\-.]*[A-Za-z0-9_+-]@(?:[A-Za-z0-9][A-Za-z0-9-]*\.)+[A-Za-z]{2,}$")
        .expect("the pattern is constant")
});

static UUID: LazyLock<Regex> = LazyLock::new(|| {
    Regex::new(
        "^(?i:[0-9a-f]{8}-[0-9a-f]{4}-[1-8][0-9a-f]{3}-[89ab][0-9a-f]{3}-[0-9a-f]{12}|0{8}-0{4}-0{4}-0{4}-0{12})$",
    )
    .expect("the pattern is constant")
});

/// A text field under check. Each check adds its own issue; [`Text::take`] or [`Text::get`] ends the chain.
#[derive(Debug)]
pub struct Text<'a> {
    field: Field<'a>,
    value: Option<&'a str>,
}

impl<'a> Text<'a> {
    pub(super) const fn new(field: Field<'a>, value: Option<&'a str>) -> Self {
        Self { field, value }
    }

    /// At least this many characters.
    #[must_use]
    pub fn min(self, chars: usize) -> Self {
        let short = |text: &str| text.chars().count() >= chars;
        self.check(short, "too_small", || {
            format!("Too small: expected string to have >={chars} characters")
        })
    }

    /// At most this many characters.
    #[must_use]
    pub fn max(self, chars: usize) -> Self {
        // Bytes first: counting the characters of a huge text is not needed to know that it is too long.
        let long = |text: &str| {
            text.len() <= chars || (text.len() <= chars * 4 && text.chars().count() <= chars)
        };
        self.check(long, "too_big", || {
            format!("Too big: expected string to have <={chars} characters")
        })
    }

    /// A pattern, told in words.
    #[must_use]
    pub fn matches(self, pattern: impl Fn(&str) -> bool, rule: &str) -> Self {
        self.check(pattern, "invalid_format", || {
            format!("Invalid string: must {rule}")
        })
    }

    /// An email address.
    #[must_use]
    pub fn email(self) -> Self {
        self.check(is_email, "invalid_format", || {
            "Invalid email address".to_owned()
        })
    }

    /// A UUID of any version.
    #[must_use]
    pub fn uuid(self) -> Self {
        self.check(is_uuid, "invalid_format", || "Invalid UUID".to_owned())
    }

    /// An absolute URL.
    #[must_use]
    pub fn url(self) -> Self {
        self.check(
            |text| Url::parse(text).is_ok(),
            "invalid_format",
            || "Invalid URL".to_owned(),
        )
    }

    /// An instant with `Z` or an offset.
    #[must_use]
    pub fn instant(self) -> Self {
        self.check(
            |text| tenon_core::Timestamp::parse_iso(text).is_some(),
            "invalid_format",
            || "Invalid ISO datetime".to_owned(),
        )
    }

    /// A rule without a name of its own.
    #[must_use]
    pub fn custom(self, rule: impl Fn(&str) -> bool, message: &str) -> Self {
        self.check(rule, "custom", || message.to_owned())
    }

    /// An absolute http or https URL, or nothing.
    #[must_use]
    pub fn web_url_or_empty(self) -> Self {
        self.check(
            |text| text.is_empty() || is_web_url(text),
            "invalid_union",
            || "Invalid input".to_owned(),
        )
    }

    /// The name of a provider (auth-and-proxy.md, 3.2).
    #[must_use]
    pub fn provider_name(self) -> Self {
        let allowed = |c: char| c.is_ascii_alphanumeric() || c == '_' || c == '-';
        self.matches(
            |text| !text.is_empty() && text.chars().all(allowed),
            "hold only letters, digits, `_` and `-`",
        )
        .max(limits::NAME_CHARS)
    }

    /// A `connection_id` (auth-and-proxy.md, 3.3).
    #[must_use]
    pub fn connection_id(self) -> Self {
        self.matches(
            |text| text.chars().all(tenon_core::names::is_connection_id_char),
            "hold only characters of connection ids",
        )
        .max(limits::NAME_CHARS)
    }

    /// A `provider_config_key` (auth-and-proxy.md, 3.2).
    #[must_use]
    pub fn integration_key(self) -> Self {
        self.matches(
            |text| !text.is_empty() && text.chars().all(tenon_core::names::is_integration_key_char),
            "hold only characters of integration ids",
        )
        .max(limits::NAME_CHARS)
    }

    /// The text; empty if it was absent or wrong.
    pub fn take(self) -> String {
        self.value.unwrap_or_default().to_owned()
    }

    /// The text, if one was given.
    pub fn get(self) -> Option<String> {
        self.value.map(str::to_owned)
    }

    fn check(
        self,
        rule: impl Fn(&str) -> bool,
        code: &'static str,
        message: impl Fn() -> String,
    ) -> Self {
        if self.value.is_some_and(|text| !rule(text)) {
            self.field.issue(code, message());
        }
        self
    }
}

/// Whether a text looks like an email address.
pub fn is_email(text: &str) -> bool {
    !text.starts_with('.') && !text.contains("..") && EMAIL.is_match(text)
}

/// Whether a text is an absolute http or https URL.
pub fn is_web_url(text: &str) -> bool {
    Url::parse(text)
        .is_ok_and(|url| matches!(url.scheme(), "http" | "https") && url.host().is_some())
}

/// Whether a text is a UUID.
pub fn is_uuid(text: &str) -> bool {
    UUID.is_match(text)
}
