use std::collections::BTreeSet;

use serde_json::{Map, Value, json};
use tenon_core::{Timestamp, auth::AuthMode};
use uuid::Uuid;

use super::Catalogue;
use crate::{
    LoadError, PaginationType, Provider, TokenUrl,
    template::{Context, Scope, alternatives, placeholders, render_url},
};

#[test]
fn every_entry_of_ours_is_sound() {
    let catalogue = Catalogue::embedded();
    let mut count = 0;
    for provider in catalogue.iter() {
        let name = &provider.name;
        assert!(!provider.display_name.is_empty(), "{name}");
        assert!(!provider.categories.is_empty(), "{name}");
        let forms = [
            &provider.connection_config,
            &provider.credentials,
            &provider.integration_config,
            &provider.assertion_option,
        ];
        for (field, definition) in forms.into_iter().flatten() {
            assert!(definition.title.is_some(), "{name}.{field} has a title");
        }
        count += 1;
    }
    assert_eq!(count, catalogue.names().len());
    assert_eq!(count, 981);
}

#[test]
fn every_address_of_ours_can_be_built_from_the_declared_fields() {
    let mut wrong = Vec::new();
    for provider in Catalogue::embedded().iter() {
        let mut templates: Vec<(&str, &str)> = Vec::new();
        templates.extend(
            provider
                .authorization_url
                .iter()
                .map(|url| ("authorization_url", url.as_str())),
        );
        match &provider.token_url {
            Some(TokenUrl::One(url)) => templates.push(("token_url", url)),
            Some(TokenUrl::ByKind(urls)) => {
                templates.extend(urls.values().map(|url| ("token_url", url.as_str())))
            }
            None => {}
        }
        templates.extend(provider.base_url().map(|url| ("proxy.base_url", url)));
        for (key, template) in templates {
            let known = declared(&provider, template);
            let scope = Scope::new()
                .with_object("connectionConfig", &known)
                .with_object("credentials", &known)
                .with_members(&known);
            let context = Context::new(&scope, Timestamp::from_secs(0), Uuid::nil());
            if let Err(error) = render_url(template, &context) {
                wrong.push(format!("{}: {key}: {error}", provider.name));
            }
        }
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}

/// A plausible value for everything that a person, an answer or a named script can give.
fn declared(provider: &Provider, template: &str) -> Map<String, Value> {
    let mut values = Map::new();
    let fields = [
        &provider.connection_config,
        &provider.credentials,
        &provider.integration_config,
    ];
    for (name, field) in fields.into_iter().flatten() {
        let choice = field
            .choices
            .as_ref()
            .and_then(|choices| choices.first().cloned());
        values.insert(
            name.clone(),
            json!(choice.unwrap_or_else(|| sample(name).to_owned())),
        );
    }
    let from_answers = [
        &provider.token_response_metadata,
        &provider.redirect_uri_metadata,
        &provider.connection_configuration,
        &provider.webhook_response_metadata,
    ];
    for name in from_answers.into_iter().flatten() {
        values.insert(name.clone(), json!("sample"));
    }
    // What a post-connection script fills is in its code, not in the entry.
    let scripted = provider.post_connection_script.is_some();
    for path in alternatives(template).flat_map(placeholders) {
        let Some(name) = path.strip_prefix("connectionConfig.") else {
            continue;
        };
        if scripted && !values.contains_key(name) {
            values.insert(name.to_owned(), json!("sample"));
        }
        let starts_with_it =
            alternatives(template).any(|side| side.starts_with(&format!("${{{path}}}")));
        if starts_with_it && values.contains_key(name) {
            values.insert(name.to_owned(), json!("https://sample.example"));
        }
    }
    values
}

fn sample(field: &str) -> &'static str {
    if field == "port" { "8080" } else { "sample" }
}

#[test]
fn an_alias_inherits_what_it_does_not_say() {
    let catalogue = Catalogue::embedded();
    let google = catalogue.find("google").expect("ours");
    let calendar = catalogue.find("google-calendar").expect("ours");
    assert_eq!(calendar.authorization_url, google.authorization_url);
    assert_eq!(
        calendar.raw["authorization_params"],
        google.raw["authorization_params"]
    );
    assert_eq!(calendar.raw["display_name"], "Google Calendar");
    let retry = calendar
        .proxy
        .as_ref()
        .and_then(|proxy| proxy.retry.as_ref())
        .expect("its own");
    assert_eq!(retry.error_code, ["403", "5xx", "401", "429"]);
    assert!(retry.in_body.is_none(), "`proxy` is replaced whole");

    // `null` takes away what the parent has.
    assert!(
        catalogue
            .find("jira")
            .expect("ours")
            .webhook_routing_script
            .is_some()
    );
    assert!(
        catalogue
            .find("confluence")
            .expect("ours")
            .webhook_routing_script
            .is_none()
    );
    assert!(
        !catalogue
            .find("confluence")
            .expect("ours")
            .raw
            .contains_key("webhook_routing_script")
    );
}

#[test]
fn typed_keys_are_read() {
    let catalogue = Catalogue::embedded();
    let github = catalogue.find("github-app-oauth").expect("ours");
    assert_eq!(github.auth_mode, AuthMode::Custom);
    assert_eq!(
        github.token_url_of("OAUTH2"),
        Some("https://github.com/login/oauth/access_token")
    );
    assert!(
        github
            .token_url_of("APP")
            .expect("one of each kind")
            .contains("access_tokens")
    );
    let zendesk = catalogue.find("zendesk").expect("ours");
    let paginate = zendesk
        .proxy
        .as_ref()
        .and_then(|proxy| proxy.paginate.as_ref())
        .expect("it has one");
    assert_eq!(paginate.kind, Some(PaginationType::Link));
    assert_eq!(
        zendesk.connection_config["subdomain"].suffix.as_deref(),
        Some(".zendesk.com")
    );
    let google = catalogue.find("google").expect("ours");
    let in_body = google
        .proxy
        .as_ref()
        .and_then(|proxy| proxy.retry.as_ref()?.in_body.as_ref())
        .expect("it has one");
    assert!(!in_body.pattern().starts_with('/'));
}

#[test]
fn an_operators_file_adds_and_replaces() {
    let mut catalogue = Catalogue::embedded();
    let text = "
acme:
    display_name: Acme
    categories: [other]
    auth_mode: API_KEY
    docs: https://acme.example/docs
    proxy:
        base_url: https://api.acme.example
        retry: { after: retry-after }
acme-eu:
    alias: acme
    proxy: { base_url: https://api.acme.example.eu }
zendesk:
    display_name: Ours now
    auth_mode: NONE
our-github:
    alias: github
    display_name: Behind the firewall
";
    let names = catalogue
        .load_yaml("extra.yaml", text)
        .expect("a good file");
    assert_eq!(names, ["acme", "acme-eu", "zendesk", "our-github"]);
    let acme = catalogue.find("acme").expect("loaded");
    let keys: Vec<&str> = acme.raw.keys().map(String::as_str).collect();
    assert_eq!(
        keys,
        ["display_name", "categories", "auth_mode", "docs", "proxy"]
    );
    assert_eq!(
        acme.proxy
            .as_ref()
            .and_then(|proxy| proxy.retry.as_ref())
            .expect("given")
            .after,
        ["retry-after"]
    );
    let eu = catalogue.find("acme-eu").expect("loaded");
    assert_eq!(eu.base_url(), Some("https://api.acme.example.eu"));
    assert_eq!(eu.auth_mode, AuthMode::ApiKey);
    let zendesk = catalogue.find("zendesk").expect("replaced");
    assert_eq!(
        (zendesk.auth_mode, zendesk.proxy.is_none()),
        (AuthMode::None, true)
    );
    assert_eq!(
        catalogue
            .find("our-github")
            .expect("loaded")
            .authorization_url
            .as_deref(),
        Some("https://github.com/login/oauth/authorize"),
    );
    assert_eq!(
        catalogue
            .iter()
            .filter(|provider| provider.name == "zendesk")
            .count(),
        1
    );
    assert_eq!(catalogue.names().len(), 981 + 3);
}

#[test]
fn a_broken_file_is_refused_by_file_and_key() {
    let cases = [
        ("- a\n- b\n", "no map"),
        (
            "'bad name': { auth_mode: NONE }",
            "`bad name` is no provider name",
        ),
        ("a: { alias: nobody }", "`a` is an alias of `nobody`"),
        ("a: { alias: b }\nb: { alias: a }", "is an alias of"),
        (
            "a: { display_name: A }",
            "`a`: `.`: missing field `auth_mode`",
        ),
        (
            "a: { auth_mode: OAUTH3 }",
            "`a`: `auth_mode`: unknown variant `OAUTH3`",
        ),
        (
            "a: { auth_mode: NONE, proxy: { base_url: x, paginate: { type: pages } } }",
            "`a`: `proxy.paginate.type`",
        ),
        (
            "a: { auth_mode: NONE, connection_config: { x: { order: first } } }",
            "`a`: `connection_config.x.order`",
        ),
    ];
    for (text, part) in cases {
        let mut catalogue = Catalogue::default();
        let error: LoadError = catalogue.load_yaml("my.yaml", text).expect_err(text);
        let message = error.to_string();
        assert!(
            message.contains("`my.yaml`") && message.contains(part),
            "{message}"
        );
        assert_eq!(
            catalogue.names().len(),
            0,
            "nothing of a broken file is kept"
        );
    }
    let missing = Catalogue::default().load_file(std::path::Path::new("/nowhere/providers.yaml"));
    assert!(
        missing
            .expect_err("no such file")
            .to_string()
            .contains("/nowhere/providers.yaml")
    );
}

#[test]
fn every_named_webhook_routing_is_there() {
    let catalogue = Catalogue::embedded();
    let mut named = BTreeSet::new();
    for provider in catalogue.iter() {
        let Some(script) = &provider.webhook_routing_script else {
            continue;
        };
        assert!(
            catalogue.webhook_routing(&provider).is_some(),
            "`{}` names `{script}`",
            provider.name
        );
        named.insert(script.clone());
    }
    let ours: BTreeSet<String> = super::ROUTINGS.keys().cloned().collect();
    assert_eq!(ours, named, "a routing that no provider names");
}

#[test]
fn an_operators_entry_may_bring_its_own_routing() {
    let mut catalogue = Catalogue::embedded();
    let text = "acme:\n  auth_mode: NONE\n  webhook_routing: {connection: {find: [{in: config.a, from: {body: b}}]}}\n";
    catalogue.load_yaml("own.yaml", text).unwrap();
    let acme = catalogue.find("acme").unwrap();
    let routing = catalogue.webhook_routing(&acme).unwrap();
    assert_eq!(routing.connection.find.len(), 1);
    let wrong = text.replace("config.a", "elsewhere");
    let refused = catalogue
        .load_yaml("own.yaml", &wrong)
        .unwrap_err()
        .to_string();
    assert!(refused.contains("webhook_routing"), "{refused}");
}

#[test]
fn every_key_has_a_source() {
    let mut catalogue = Catalogue::embedded();
    let text = "
ours: { alias: google-calendar, display_name: Ours, proxy: null }
ours-too: { alias: ours, categories: [other] }
";
    catalogue.load_yaml("own.yaml", text).unwrap();
    for provider in catalogue.iter() {
        let sources = catalogue.sources(&provider.name);
        let keys: BTreeSet<&String> = provider.raw.keys().collect();
        assert_eq!(
            sources.keys().collect::<BTreeSet<_>>(),
            keys,
            "{}",
            provider.name
        );
    }
    let sources = catalogue.sources("ours-too");
    let of = |key: &str| (sources[key].entry.as_str(), sources[key].file.as_str());
    assert_eq!(of("categories"), ("ours-too", "own.yaml"));
    assert_eq!(of("display_name"), ("ours", "own.yaml"));
    assert_eq!(of("token_url"), ("google", "providers/google.yaml"));
    assert!(!sources.contains_key("proxy"));
}

#[test]
fn the_operators_part_is_exchanged_under_those_who_read() {
    let mut catalogue = Catalogue::embedded();
    catalogue
        .load_yaml(
            "own.yaml",
            "one: { auth_mode: NONE }\ntwo: { auth_mode: NONE }\n",
        )
        .unwrap();
    let held = catalogue.find("one").unwrap();
    catalogue.keep(Some("broken since noon".to_owned()));

    let mut next = Catalogue::embedded();
    next.load_yaml(
        "own.yaml",
        "two: { auth_mode: API_KEY }\nzendesk: { auth_mode: NONE }\n",
    )
    .unwrap();
    assert_eq!(catalogue.replace(next), ["one"]);

    assert_eq!(catalogue.problem(), None, "what was wrong is over");
    assert!(catalogue.find("one").is_none());
    assert_eq!(held.auth_mode, AuthMode::None, "who has an entry keeps it");
    assert_eq!(catalogue.find("two").unwrap().auth_mode, AuthMode::ApiKey);
    assert_eq!(catalogue.find("zendesk").unwrap().auth_mode, AuthMode::None);

    assert!(
        catalogue
            .replace(Catalogue::embedded())
            .contains(&"two".to_owned())
    );
    assert_eq!(
        catalogue.find("zendesk").unwrap().auth_mode,
        AuthMode::OAuth2,
        "ours is back"
    );
}
