//! Placeholders that can never have a value.

use std::collections::BTreeSet;

use super::{Report, texts};
use crate::{Provider, nearest, template};

pub(super) fn check(report: &mut Report<'_>, provider: &Provider) {
    let parameters = parameters(provider);
    // A named script may fill parameters of its own.
    let scripted = provider.post_connection_script.is_some()
        || provider.credentials_verification_script.is_some();
    for (key, text) in texts(provider) {
        if template::is_unclosed(&text) {
            report.error(&provider.name, &key, "a `${` has no `}`", None);
        }
        for path in template::placeholders(&text) {
            if let Some(name) = path.split_once('(').map(|(name, _)| name) {
                let near = nearest(name, template::FUNCTIONS.iter().copied());
                let hint = near.map(|near| format!("did you mean `{near}(…)`?"));
                let problem = format!("there is no function `{name}`");
                report.error(&provider.name, &key, &problem, hint.as_deref());
                continue;
            }
            let Some(name) = path.strip_prefix("connectionConfig.") else {
                continue;
            };
            let whole = name.split('.').next().unwrap_or_default();
            if !scripted && !parameters.contains(name) && !parameters.contains(whole) {
                let near = nearest(name, parameters.iter().copied());
                let hint = match near {
                    Some(near) => format!("did you mean `${{connectionConfig.{near}}}`?"),
                    None => format!("declare `{name}` under `connection_config`"),
                };
                let problem = format!("nothing gives `${{{path}}}` a value");
                report.warn(&provider.name, &key, &problem, Some(&hint));
            }
        }
    }
}

/// Names in the connection config that a person, an answer or a webhook can give.
fn parameters(provider: &Provider) -> BTreeSet<&str> {
    let declared = [
        &provider.connection_config,
        &provider.integration_config,
        &provider.credentials,
    ];
    let answers = [
        &provider.token_response_metadata,
        &provider.refresh_token_response_metadata,
        &provider.redirect_uri_metadata,
        &provider.webhook_response_metadata,
        &provider.connection_configuration,
    ];
    let calls = provider
        .proxy
        .iter()
        .flat_map(|proxy| proxy.connection_config.keys());
    let names = declared
        .into_iter()
        .flat_map(|fields| fields.keys())
        .chain(calls);
    let learned = provider
        .post_connection
        .iter()
        .flat_map(|call| call.store.keys());
    let companions = provider
        .token_exchange
        .iter()
        .flat_map(|exchange| exchange.companions.iter().map(|token| &token.into));
    let names = names.chain(learned).chain(companions).map(String::as_str);
    names
        .chain(answers.into_iter().flatten().map(String::as_str))
        .collect()
}
