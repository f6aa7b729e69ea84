//! Addresses that make no URL, or send secrets in clear.

use tenon_core::Timestamp;
use url::{Host, Url};
use uuid::Uuid;

use super::{Report, texts};
use crate::{
    Provider,
    template::{self, Context, alternatives, placeholders},
};

/// Keys that hold an address.
const ADDRESSES: [&str; 8] = [
    "authorization_url",
    "device_authorization_url",
    "token_url",
    "refresh_url",
    "request_url",
    "registration_url",
    "proxy.base_url",
    "proxy.verification.base_url_override",
];

/// Lists with addresses in them.
const LISTS: [(&str, &str); 4] = [
    ("additional_steps.", ".token_url"),
    ("token_exchange.", ".url"),
    ("introspection.", ".url"),
    ("post_connection.", ".base_url"),
];

pub(super) fn check(report: &mut Report<'_>, provider: &Provider) {
    for (key, text) in texts(provider) {
        let is_address = ADDRESSES.iter().any(|known| {
            key == *known
                || (key.starts_with(known) && key.as_bytes().get(known.len()) == Some(&b'.'))
        }) || LISTS
            .iter()
            .any(|(list, member)| key.starts_with(list) && key.ends_with(member));
        if is_address && !template::is_unclosed(&text) {
            for side in alternatives(&text) {
                address(report, provider, &key, side);
            }
        }
    }
}

fn address(report: &mut Report<'_>, provider: &Provider, key: &str, text: &str) {
    let variables = |path: &str| Some(sample(provider, text, path));
    let context = Context::new(&variables, Timestamp::from_secs(0), Uuid::nil());
    let Ok(url) = template::render_url(text, &context) else {
        let hint =
            (!text.contains("://") && !text.starts_with("${")).then_some("begin with `https://`");
        report.error(
            &provider.name,
            key,
            &format!("`{text}` is no absolute URL"),
            hint,
        );
        return;
    };
    if let Some(problem) = wrong_host(&url) {
        report.error(&provider.name, key, &problem, None);
    }
    if url.scheme() == "http" && !is_own_network(&url) {
        let problem = "secrets go over the network in clear";
        report.warn(&provider.name, key, problem, Some("write `https://`"));
    }
}

fn wrong_host(url: &Url) -> Option<String> {
    if !matches!(url.scheme(), "http" | "https") {
        return Some(format!("`{}` is not http or https", url.scheme()));
    }
    if !url.username().is_empty() || url.password().is_some() {
        return Some("credentials do not belong into an address: use `headers`".to_owned());
    }
    let Some(Host::Domain(host)) = url.host() else {
        return None;
    };
    let is_label = |label: &str| {
        let inner = label
            .bytes()
            .all(|byte| byte.is_ascii_alphanumeric() || matches!(byte, b'-' | b'_'));
        inner
            && !label.is_empty()
            && label.len() <= 63
            && !label.starts_with('-')
            && !label.ends_with('-')
    };
    let labels = host.strip_suffix('.').unwrap_or(host);
    (!labels.split('.').all(is_label)).then(|| format!("`{host}` is no host name"))
}

/// Whether an address is on this machine or in a network of one's own.
fn is_own_network(url: &Url) -> bool {
    match url.host() {
        Some(Host::Ipv4(address)) => address.is_loopback() || address.is_private(),
        Some(Host::Ipv6(address)) => address.is_loopback() || address.is_unique_local(),
        Some(Host::Domain(host)) => {
            let last = host.rsplit('.').next().unwrap_or_default();
            !host.contains('.')
                || matches!(last, "localhost" | "internal" | "local" | "test" | "lan")
        }
        None => false,
    }
}

/// A plausible value: one of the choices, a whole address where one has to stand, a number for a port.
fn sample(provider: &Provider, text: &str, path: &str) -> String {
    if text.starts_with(&format!("${{{path}}}")) {
        return "https://sample.example".to_owned();
    }
    let name = path.rsplit('.').next().unwrap_or_default();
    let fields = [
        &provider.connection_config,
        &provider.credentials,
        &provider.integration_config,
    ];
    let choices = fields
        .iter()
        .find_map(|fields| fields.get(name)?.choices.as_ref());
    if let Some(choice) = choices.and_then(|choices| choices.first()) {
        return choice.clone();
    }
    let as_port = text.split_once(&format!(":${{{path}}}")).is_some();
    debug_assert!(
        !placeholders(text).is_empty(),
        "a sample is asked for a placeholder"
    );
    if as_port { "8080" } else { "sample" }.to_owned()
}
