//! Every provider whose webhooks we route: a request as the provider sends it, and what is read from it.

use aws_lc_rs::{digest, hmac};
use base64::{Engine as _, engine::general_purpose::STANDARD};
use bytes::Bytes;
use serde_json::{Map, Value, json};
use tenon_core::{
    Secret, Timestamp,
    names::{EnvironmentPk, IntegrationPk},
};
use tenon_providers::{Catalogue, webhook::SignatureNeed};
use tenon_store::integrations::{IntegrationRow, IntegrationSecrets};

use super::{
    plan::{Lookup, events, list},
    request::{Incoming, Request},
    signature::{Keys, Verdict, Wrong, check},
    source::decoded,
};

const NOW_S: i64 = 1_790_000_000;

/// `(providers, headers, query, body, types of the events, how their connections are found)`
type Sample = (
    &'static [&'static str],
    &'static [(&'static str, &'static str)],
    &'static [(&'static str, &'static str)],
    Value,
    &'static [&'static str],
    &'static [&'static str],
);

fn samples() -> Vec<Sample> {
    let google = &[
        ("x-goog-resource-state", "exists"),
        (
            "x-goog-resource-uri",
            "https://g.test/calendars/a%40b.c/events?alt=json",
        ),
        ("x-goog-resource-id", "r-1"),
    ];
    vec![
        (
            &["affinity"],
            &[],
            &[],
            json!({"type": "list.created"}),
            &["list.created"],
            &["all"],
        ),
        (
            &["airtable"],
            &[],
            &[],
            json!({"webhook": {"id": "ach1"}}),
            &["*"],
            &["metadata.webhooks=ach1"],
        ),
        (
            &["attio"],
            &[],
            &[],
            json!({"events": [{"event_type": "record.created", "id": {"workspace_id": "w"}}]}),
            &["record.created"],
            &["config.workspace_id=w"],
        ),
        (
            &["autotask"],
            &[],
            &[],
            json!({"EntityType": "Ticket", "Guid": "g"}),
            &["Ticket"],
            &["config.webhookGuid=g"],
        ),
        (
            &["cal-com-v2", "cal-com-oauth"],
            &[],
            &[("nangoConnectionId", "c")],
            json!({"triggerEvent": "BOOKING_CREATED", "nangoConnectionId": "d"}),
            &["BOOKING_CREATED"],
            &["connection_id=c", "connection_id=d"],
        ),
        (
            &["calendly"],
            &[],
            &[],
            json!({"event": "invitee.created", "created_by": "u"}),
            &["invitee.created"],
            &["config.owner=u"],
        ),
        (
            &["checkr-partner", "checkr-partner-staging"],
            &[],
            &[],
            json!({"type": "report.completed", "account_id": "a"}),
            &["report.completed"],
            &["config.checkr_account_id=a"],
        ),
        (
            &["connectwise-psa", "connectwise-psa-staging"],
            &[],
            &[],
            json!({"Type": "ticket", "ProductInstanceId": "p"}),
            &["ticket"],
            &["metadata.productInstanceId=p"],
        ),
        (
            &["fathom", "fathom-oauth"],
            &[],
            &[],
            json!({"recorded_by": {"email": "a@b.c"}}),
            &[""],
            &["metadata.emailAddress=a@b.c"],
        ),
        (
            &["fillout", "fillout-api-key"],
            &[],
            &[],
            json!([{"type": "x", "formId": 1}, {"type": "y", "formId": 2}]),
            &["x", "y"],
            &["metadata.formId=1", "metadata.formId=2"],
        ),
        (
            &["folk"],
            &[],
            &[("nangoConnectionId", "c")],
            json!({"type": "person.created"}),
            &["person.created"],
            &["connection_id=c"],
        ),
        (
            &["github-app", "github-app-oauth"],
            &[("x-github-event", "push")],
            &[],
            json!({"installation": {"id": 7}}),
            &["push"],
            &["config.installation_id=7"],
        ),
        (
            &["gitlab", "gitlab-pat"],
            &[("x-gitlab-event", "Push Hook")],
            &[("nangoConnectionId", "c")],
            json!({}),
            &["Push Hook"],
            &["connection_id=c"],
        ),
        (
            &["google-mail"],
            &[],
            &[],
            json!({"message": {"data": STANDARD.encode(r#"{"emailAddress":"a@b.c","historyId":1}"#)}}),
            &["*"],
            &[
                "config.emailAddressHash=d648b243a3e817eaa3309e00e183483f2867baadf522099f0c2121770536b25a",
                "metadata.emailAddress=a@b.c",
                "metadata.email=a@b.c",
            ],
        ),
        (
            &["google-calendar", "google-calendar-mcp"],
            google,
            &[],
            json!({}),
            &["exists"],
            &[
                "metadata.googleCalendarWatchResourceUris=https://g.test/calendars/a%40b.c/events?alt=json",
                "config.emailAddressHash=d648b243a3e817eaa3309e00e183483f2867baadf522099f0c2121770536b25a",
                "metadata.emailAddress=a@b.c",
                "metadata.email=a@b.c",
            ],
        ),
        (
            &["google-drive"],
            google,
            &[],
            json!({}),
            &["exists"],
            &[
                "metadata.googleDriveWatchResourceIds=r-1",
                "metadata.googleCalendarWatchResourceUris=https://g.test/calendars/a%40b.c/events?alt=json",
            ],
        ),
        (
            &[
                "google",
                "google-analytics",
                "google-bigquery",
                "google-contacts",
                "google-chat",
                "google-docs",
                "google-search-console",
                "google-sheet",
                "google-slides",
                "google-forms",
                "google-health",
                "google-tasks",
                "google-meet",
                "google-ads",
                "google-cloud-storage",
                "google-workspace-admin",
                "stitch-mcp",
                "youtube",
            ],
            google,
            &[],
            json!({}),
            &["exists"],
            &[
                "metadata.googleCalendarWatchResourceUris=https://g.test/calendars/a%40b.c/events?alt=json",
            ],
        ),
        (
            &["highlevel", "highlevel-white-label"],
            &[],
            &[],
            json!({"type": "ContactCreate", "altType": "location", "altId": "l", "companyId": "c"}),
            &["ContactCreate"],
            &["config.locationId=l", "config.companyId=c"],
        ),
        (
            &["highlevel"],
            &[],
            &[],
            json!({"type": "INSTALL", "altType": "company", "altId": "l"}),
            &["INSTALL"],
            &["all"],
        ),
        (
            &["hubspot"],
            &[],
            &[],
            json!([
                {"subscriptionType": "contact.propertyChange", "objectId": 1, "occurredAt": 1, "portalId": 9},
                {"subscriptionType": "contact.creation", "objectId": 1, "occurredAt": 2, "portalId": 9},
                {"subscriptionType": "contact.creation", "objectId": 2, "changeSource": "IMPORT", "portalId": 9},
            ]),
            &["contact.creation", "contact.propertyChange"],
            &["config.portalId=9", "config.portalId=9"],
        ),
        (
            &["jira"],
            &[],
            &[],
            json!({"webhookEvent": "jira:issue_updated", "issue": {"self": "https://a.atlassian.net/rest/api/2/issue/1"}}),
            &["jira:issue_updated"],
            &["config.baseUrl=https://a.atlassian.net"],
        ),
        (
            &["jobber"],
            &[],
            &[],
            json!({"data": {"webHookEvent": {"topic": "CLIENT_CREATE", "accountId": "a"}}}),
            &["CLIENT_CREATE"],
            &["config.accountId=a"],
        ),
        (
            &["jobdiva"],
            &[],
            &[],
            json!({"type": "job", "operation": "update"}),
            &["job.update"],
            &["all"],
        ),
        (
            &["linear"],
            &[],
            &[],
            json!({"type": "Issue", "organizationId": "o"}),
            &["Issue"],
            &["config.organizationId=o"],
        ),
        (
            &["microsoft-oauth2-cc", "microsoft-intune"],
            &[],
            &[],
            json!({"value": [{"changeType": "created", "tenantId": "t"}, {"changeType": "deleted", "tenantId": "u"}]}),
            &["created", "deleted"],
            &["config.tenantId=t", "config.tenantId=u"],
        ),
        (
            &["microsoft-teams", "microsoft-teams-bot"],
            &[],
            &[],
            json!({"type": "message", "channelData": {"tenant": {"id": "t"}}}),
            &["message"],
            &["config.tenantId=t"],
        ),
        (
            &["notion"],
            &[],
            &[],
            json!({"type": "page.created", "workspace_id": "w"}),
            &["page.created"],
            &["config.workspace_id=w"],
        ),
        (
            &["pagerduty"],
            &[("x-nango-connection-id", "c")],
            &[],
            json!({"event": {"event_type": "incident.triggered"}}),
            &["incident.triggered"],
            &["connection_id=c"],
        ),
        (
            &["salesforce"],
            &[],
            &[],
            json!({"nango": {"eventType": "Account", "connectionId": "c"}}),
            &["Account"],
            &["connection_id=c"],
        ),
        (
            &["sellsy", "sellsy-oauth2-cc"],
            &[],
            &[],
            json!({"relatedtype": "document", "event": "created", "corpid": 3}),
            &["document.created"],
            &["config.corpid=3"],
        ),
        (
            &["sentry-oauth"],
            &[],
            &[],
            json!({"action": "created", "installation": {"id": 4}}),
            &["created"],
            &["config.installation_id=4"],
        ),
        (
            &["shipstation", "shipstation-v2"],
            &[],
            &[],
            json!({"resource_type": "ORDER_NOTIFY", "resource_url": "https://s.test/orders?storeID=12&x=1"}),
            &["ORDER_NOTIFY"],
            &["metadata.storeId=12"],
        ),
        (
            &["shopify", "shopify-api-key"],
            &[
                ("x-shopify-topic", "orders/create"),
                ("x-shopify-shop-domain", "acme.myshopify.com"),
            ],
            &[],
            json!({}),
            &["orders/create"],
            &["config.subdomain=acme"],
        ),
        (
            &["slack"],
            &[],
            &[],
            json!({"payload": "{\"type\":\"block_actions\",\"team\":{\"id\":\"T\"}}"}),
            &["block_actions"],
            &["config.team.id=T"],
        ),
        (
            &["streak"],
            &[("x-streak-webhook-token", "tok")],
            &[],
            json!({}),
            &[""],
            &["config.streakWebhookToken=tok"],
        ),
        (
            &["unauthenticated"],
            &[],
            &[],
            json!({"type": "t", "connectionId": "c"}),
            &["t"],
            &["connection_id=c"],
        ),
        (
            &["videoask"],
            &[("nango-connection-id", "c")],
            &[],
            json!({"type": "form_response"}),
            &["form_response"],
            &["connection_id=c"],
        ),
        (
            &["xero"],
            &[],
            &[],
            json!({"events": [{"eventType": "UPDATE", "tenantId": "t"}]}),
            &["UPDATE"],
            &["config.tenant_id=t"],
        ),
    ]
}

fn pairs(pairs: &[(&str, &str)]) -> Vec<(String, String)> {
    let own = |text: &&str| (*text).to_owned();
    pairs
        .iter()
        .map(|(name, value)| (own(name), own(value)))
        .collect()
}

fn shown(lookup: &Lookup) -> String {
    match lookup {
        Lookup::ConnectionId(id) => format!("connection_id={id}"),
        Lookup::Config { path, value } => format!("config.{path}={value}"),
        Lookup::Metadata { path, value } => format!("metadata.{path}={value}"),
        Lookup::All => "all".to_owned(),
    }
}

#[test]
fn types_and_connections_are_found_for_every_provider() {
    let catalogue = Catalogue::embedded();
    let mut seen = std::collections::BTreeSet::new();
    for (names, headers, query, body, kinds, expected) in samples() {
        for name in names {
            let provider = catalogue.find(name).expect(name);
            let routing = catalogue.webhook_routing(&provider).expect(name);
            let unpacked = routing.decode.as_ref();
            let body = unpacked
                .and_then(|decode| decoded(decode, &body))
                .unwrap_or_else(|| body.clone());
            let request = Request {
                headers: pairs(headers),
                query: pairs(query),
                body,
            };
            let events = events(&routing, &request);
            let found: Vec<&str> = events
                .iter()
                .map(|event| event.kind.as_deref().unwrap_or_default())
                .collect();
            assert_eq!(found, kinds, "{name}");
            let found: Vec<String> = events
                .iter()
                .flat_map(|event| event.connections.iter().map(shown))
                .collect();
            assert_eq!(found, expected, "{name}");
            seen.insert((*name).to_owned());
        }
    }
    let all: std::collections::BTreeSet<String> = catalogue
        .iter()
        .filter(|provider| provider.takes_webhooks())
        .map(|provider| provider.name.clone())
        .collect();
    assert_eq!(seen, all, "every provider that takes webhooks has a sample");
    assert!(all.len() >= 68);
}

fn integration() -> IntegrationRow {
    let custom: Map<String, Value> = [("webhookSecret".to_owned(), json!(SECRET))]
        .into_iter()
        .collect();
    let at = Timestamp::from_secs(NOW_S);
    IntegrationRow {
        pk: IntegrationPk(1),
        environment: EnvironmentPk(1),
        unique_key: "one".to_owned(),
        provider: "one".to_owned(),
        display_name: None,
        forward_webhooks: true,
        client_id: None,
        secrets: IntegrationSecrets {
            client_secret: Some(Secret::new("client".to_owned())),
            private_key: Some(Secret::new("pem".to_owned())),
            app_id: Some("12".to_owned()),
            custom: Secret::new(custom),
            ..IntegrationSecrets::default()
        },
        scopes: None,
        app_link: Some("https://link".to_owned()),
        config: Map::new(),
        own_callback: false,
        created_at: at,
        updated_at: at,
    }
}

/// Base64 behind its prefix, so that it serves as a key of Standard Webhooks, too.
const SECRET: &str = "whsec_c2VjcmV0";

const BODY: &str = r#"{"a": 1, "clientState": "whsec_c2VjcmV0"}"#;

fn mac(key: &str, signed: &str) -> Vec<u8> {
    let key = hmac::Key::new(hmac::HMAC_SHA256, key.as_bytes());
    hmac::sign(&key, signed.as_bytes()).as_ref().to_vec()
}

fn mac1(key: &str, signed: &str) -> Vec<u8> {
    let key = hmac::Key::new(hmac::HMAC_SHA1_FOR_LEGACY_USE_ONLY, key.as_bytes());
    hmac::sign(&key, signed.as_bytes()).as_ref().to_vec()
}

fn hashed(algorithm: &'static digest::Algorithm, signed: &str) -> String {
    hex::encode(digest::digest(algorithm, signed.as_bytes()))
}

/// Headers of a request that each provider signed.
fn signed() -> Vec<(&'static str, Vec<(&'static str, String)>)> {
    let hex_mac = |key: &str| hex::encode(mac(key, BODY));
    let base64_mac = |key: &str| STANDARD.encode(mac(key, BODY));
    let svix = || {
        let text = format!("msg_1.{NOW_S}.{BODY}");
        vec![
            ("webhook-id", "msg_1".to_owned()),
            ("webhook-timestamp", NOW_S.to_string()),
            (
                "webhook-signature",
                format!("v1,AAAA v1,{}", STANDARD.encode(mac("secret", &text))),
            ),
        ]
    };
    let one = |name, value: String| vec![(name, value)];
    let fetched = || {
        let key = digest::digest(&digest::SHA256, b"handed out");
        let key = hmac::Key::new(hmac::HMAC_SHA256, key.as_ref());
        STANDARD.encode(hmac::sign(&key, BODY.as_bytes()))
    };
    let app = hashed(&digest::SHA256, "12pemhttps://link");
    vec![
        ("attio", one("x-attio-signature", hex_mac(SECRET))),
        (
            "autotask",
            one(
                "x-hook-signature",
                format!("sha1={}", STANDARD.encode(mac1(SECRET, BODY))),
            ),
        ),
        ("cal-com-v2", one("x-cal-signature-256", hex_mac(SECRET))),
        (
            "calendly",
            one(
                "calendly-webhook-signature",
                format!(
                    "t={NOW_S},v1={}",
                    hex::encode(mac(SECRET, &format!("{NOW_S}.{BODY}")))
                ),
            ),
        ),
        (
            "checkr-partner",
            one("x-checkr-signature", hex_mac("client")),
        ),
        ("connectwise-psa", one("x-content-signature", fetched())),
        ("fathom", svix()),
        ("folk", svix()),
        (
            "github-app",
            one("x-hub-signature-256", format!("sha256={}", hex_mac(&app))),
        ),
        ("gitlab", svix()),
        ("gitlab-pat", one("x-gitlab-token", SECRET.to_owned())),
        (
            "hubspot",
            one(
                "x-hubspot-signature",
                hashed(&digest::SHA256, &format!("client{BODY}")),
            ),
        ),
        (
            "jira",
            one("x-hub-signature", format!("sha256={}", hex_mac(SECRET))),
        ),
        ("jobber", one("x-jobber-hmac-sha256", base64_mac("client"))),
        (
            "jobdiva",
            one("x-hub-signature", hex::encode(mac1(SECRET, BODY))),
        ),
        ("linear", one("linear-signature", hex_mac(SECRET))),
        ("microsoft-oauth2-cc", Vec::new()),
        (
            "notion",
            one("x-notion-signature", format!("sha256={}", hex_mac(SECRET))),
        ),
        (
            "pagerduty",
            one(
                "x-pagerduty-signature",
                format!("v1=00,v1={}", hex_mac(SECRET)),
            ),
        ),
        (
            "sellsy",
            one(
                "x-webhook-signature",
                hashed(
                    &digest::SHA1_FOR_LEGACY_USE_ONLY,
                    &format!("{SECRET}{BODY}"),
                ),
            ),
        ),
        (
            "sentry-oauth",
            one("sentry-hook-signature", hex_mac("client")),
        ),
        (
            "shopify",
            one("x-shopify-hmac-sha256", base64_mac("client")),
        ),
        (
            "slack",
            vec![
                ("x-slack-request-timestamp", NOW_S.to_string()),
                (
                    "x-slack-signature",
                    format!(
                        "v0={}",
                        hex::encode(mac(SECRET, &format!("v0:{NOW_S}:{BODY}")))
                    ),
                ),
            ],
        ),
        ("videoask", one("nango-webhook-secret", SECRET.to_owned())),
        ("xero", one("x-xero-signature", base64_mac(SECRET))),
    ]
}

fn verdict(name: &str, headers: &[(&str, String)], body: &str) -> Verdict {
    let catalogue = Catalogue::embedded();
    let provider = catalogue.find(name).expect(name);
    let routing = catalogue.webhook_routing(&provider).expect(name);
    let headers = headers
        .iter()
        .map(|(name, value)| ((*name).to_owned(), value.clone()))
        .collect();
    let incoming = Incoming::new(
        "POST".to_owned(),
        headers,
        Vec::new(),
        serde_json::from_str(body).unwrap(),
        Bytes::from(body.to_owned()),
    );
    let whole = [&incoming.request.body];
    let events = routing
        .events
        .as_ref()
        .map(|rule| list(rule, &incoming.request));
    let metadata = json!({"webhookSecret": SECRET});
    let fetched = Secret::new("handed out".to_owned());
    let integration = integration();
    let keys = Keys {
        integration: &integration,
        metadata: Some(&metadata),
        fetched: Some(&fetched),
    };
    let rule = routing.signature.as_ref().expect(name);
    let now = Timestamp::from_secs(NOW_S);
    check(
        rule,
        &incoming,
        events.as_deref().unwrap_or(&whole),
        &keys,
        now,
    )
}

#[test]
fn signatures_of_every_provider_are_checked() {
    let catalogue = Catalogue::embedded();
    for (name, headers) in signed() {
        assert_eq!(verdict(name, &headers, BODY), Verdict::Good, "{name}");
        let other = BODY.replace('1', "2").replace("whsec", "other");
        let provider = catalogue.find(name).expect(name);
        let rule = catalogue.webhook_routing(&provider).expect(name);
        let rule = rule.signature.as_ref().expect(name);
        let equal = ["gitlab-pat", "videoask"].contains(&name);
        match verdict(name, &headers, &other) {
            Verdict::Wrong(Wrong::Mismatch) => assert!(!equal, "{name}"),
            Verdict::Logged => assert_eq!(name, "checkr-partner"),
            // What proves the sender is no part of the body.
            Verdict::Good => assert!(equal, "{name}"),
            other => panic!("{name}: {other:?}"),
        }
        let unsigned = verdict(name, &[], r#"{"a": 1}"#);
        let expected = if rule.needed == SignatureNeed::IfPresent {
            Verdict::Good
        } else {
            Verdict::Missing
        };
        assert_eq!(unsigned, expected, "{name}");
    }
    assert_eq!(
        verdict("gitlab", &[("x-gitlab-token", "no".to_owned())], BODY),
        Verdict::Wrong(Wrong::Mismatch)
    );
    let token = r#"{"verification_token": "t"}"#;
    assert_eq!(verdict("notion", &[], token), Verdict::Good, "a handshake");
}
