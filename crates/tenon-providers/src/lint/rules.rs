//! What the auth mode needs, how lists are paged, regular expressions.

use regex::Regex;
use tenon_core::auth::AuthMode;

use super::Report;
use crate::{Fields, Paginate, PaginationType, Provider};

pub(super) fn check(report: &mut Report<'_>, provider: &Provider) {
    people(report, provider);
    mode(report, provider);
    patterns(report, provider);
    if let Some(proxy) = &provider.proxy {
        if let Some(paginate) = &proxy.paginate {
            paging(report, &provider.name, paginate);
        }
        if let Some(in_body) = proxy
            .retry
            .as_ref()
            .and_then(|retry| retry.in_body.as_ref())
        {
            let key = "proxy.retry.in_body.value";
            match Regex::new(in_body.pattern()) {
                Ok(regex) if regex.captures_len() < 2 => report.error(
                    &provider.name,
                    key,
                    "the expression has no group, so there is nothing to take",
                    Some("put parentheses around the number"),
                ),
                Ok(_) => {}
                Err(error) => expression(report, &provider.name, key, &error),
            }
        }
    }
}

fn people(report: &mut Report<'_>, provider: &Provider) {
    if provider.display_name.is_empty() {
        let hint = "`display_name` is what people see when they connect";
        report.warn(&provider.name, "display_name", "it has no name", Some(hint));
    }
    if provider.proxy.is_none()
        && !matches!(
            provider.auth_mode,
            AuthMode::None | AuthMode::McpOAuth2 | AuthMode::McpOAuth2Generic
        )
    {
        let hint = "`proxy.base_url` is the address of the API";
        report.warn(
            &provider.name,
            "proxy",
            "its API cannot be called",
            Some(hint),
        );
    }
}

/// Keys without which connections of a mode cannot be made.
fn mode(report: &mut Report<'_>, provider: &Provider) {
    let outbound = provider.installation.is_some();
    let needed: &[(&str, bool)] = match provider.auth_mode {
        AuthMode::OAuth2 => &[
            (
                "authorization_url",
                provider.authorization_url.is_some() || outbound,
            ),
            ("token_url", provider.token_url.is_some()),
        ],
        AuthMode::OAuth1 => &[
            ("request_url", provider.request_url.is_some()),
            ("authorization_url", provider.authorization_url.is_some()),
            ("token_url", provider.token_url.is_some()),
        ],
        AuthMode::OAuth2ClientCredentials => &[("token_url", provider.token_url.is_some())],
        AuthMode::TwoStep => &[
            ("token_url", provider.token_url.is_some()),
            ("token_response", provider.token_response.is_some()),
        ],
        AuthMode::Jwt => &[("token", provider.token.is_some())],
        AuthMode::Signature => &[("signature", provider.signature.is_some())],
        AuthMode::ApiKey
        | AuthMode::Basic
        | AuthMode::Tba
        | AuthMode::Bill
        | AuthMode::AwsSigV4
        | AuthMode::App
        | AuthMode::Custom
        | AuthMode::AppStore
        | AuthMode::Tableau
        | AuthMode::McpOAuth2
        | AuthMode::McpOAuth2Generic
        | AuthMode::InstallPlugin
        | AuthMode::None => &[],
    };
    for (key, _) in needed.iter().filter(|(_, there)| !there) {
        let problem = format!("mode `{}` needs `{key}`", provider.auth_mode);
        report.error(&provider.name, key, &problem, None);
    }
}

fn patterns(report: &mut Report<'_>, provider: &Provider) {
    let forms: [(&str, &Fields); 4] = [
        ("connection_config", &provider.connection_config),
        ("credentials", &provider.credentials),
        ("integration_config", &provider.integration_config),
        ("assertion_option", &provider.assertion_option),
    ];
    for (form, fields) in forms {
        for (name, field) in fields {
            let at = format!("{form}.{name}");
            if let Some(Err(error)) = field.pattern.as_deref().map(Regex::new) {
                expression(report, &provider.name, &format!("{at}.pattern"), &error);
            }
            let other = field.visible_when.as_ref().map(|rule| rule.field.as_str());
            if let Some(other) = other.filter(|other| !fields.contains_key(*other)) {
                let near = crate::nearest(other, fields.keys().map(String::as_str));
                let hint = near.map(|near| format!("did you mean `{near}`?"));
                let problem = format!("there is no field `{other}` in `{form}`");
                report.error(
                    &provider.name,
                    &format!("{at}.visible_when.field"),
                    &problem,
                    hint.as_deref(),
                );
            }
        }
    }
}

fn expression(report: &mut Report<'_>, entry: &str, key: &str, error: &regex::Error) {
    let text = error.to_string();
    let reason = text
        .lines()
        .last()
        .unwrap_or_default()
        .trim_start_matches("error: ");
    // A browser knows look-around and checks it; the server then takes what the browser let through.
    if reason.contains("look-around") || reason.contains("backreferences") {
        let hint = "write it without look-around and back references";
        report.warn(
            entry,
            key,
            "the server cannot check this expression",
            Some(hint),
        );
    } else {
        report.error(
            entry,
            key,
            &format!("no regular expression: {reason}"),
            None,
        );
    }
}

fn paging(report: &mut Report<'_>, entry: &str, paginate: &Paginate) {
    let mut need = |key: &str, there: bool, what: &str| {
        if !there {
            report.error(entry, &format!("proxy.paginate.{key}"), what, None);
        }
    };
    match paginate.kind {
        None => need(
            "type",
            false,
            "paging needs a `type`: cursor, link or offset",
        ),
        Some(PaginationType::Cursor) => {
            need(
                "cursor_path_in_response",
                paginate.cursor_path_in_response.is_some(),
                "paging by cursor needs `cursor_path_in_response`",
            );
            need(
                "cursor_name_in_request",
                paginate.cursor_name_in_request.is_some(),
                "paging by cursor needs `cursor_name_in_request`",
            );
        }
        Some(PaginationType::Link) => {
            let there = paginate.link_path_in_response_body.is_some()
                || paginate.link_rel_in_response_header.is_some();
            need(
                "type",
                there,
                "paging by link needs `link_path_in_response_body` or `link_rel_in_response_header`",
            );
        }
        Some(PaginationType::Offset) => {
            need(
                "offset_name_in_request",
                paginate.offset_name_in_request.is_some(),
                "paging by offset needs `offset_name_in_request`",
            );
        }
    }
}
