//! Codes of one provider must not reach another (FAULTS 34): names in the callback, and callback URLs of their own.

use serde_json::json;

use super::{Scene, error_type};

/// FAULTS 34, RFC 9207.
#[tokio::test]
async fn faults_34_a_provider_with_a_name_must_say_it_exactly() {
    let scene = Scene::start().await;
    scene.integration_of("named", "named").await;
    let name = scene.provider.address();
    let cases = [
        (None, "callback_err"),
        (Some("https://attacker.test".to_owned()), "callback_err"),
        // The same host is not the same name.
        (Some(format!("{name}/other")), "callback_err"),
        (Some(name.clone()), ""),
    ];
    for (issuer, expected) in cases {
        let path = format!(
            "/oauth/connect/named?public_key={}&connection_id=alice",
            scene.public_key()
        );
        let trip = scene.open_at(&path).await;
        let mut query = scene.provider.agree(&trip.location);
        if let Some(issuer) = &issuer {
            query.push_str(&format!("&iss={issuer}"));
        }
        let page = scene
            .browse(&format!("/oauth/callback?{query}"), Some(&trip.cookie))
            .await;
        assert_eq!(error_type(&page), expected, "{issuer:?}");
        assert_eq!(scene.has_connection("alice").await, expected.is_empty());
    }
    assert_eq!(
        scene.provider.token_requests().len(),
        1,
        "no code left for a stranger's"
    );
}

/// FAULTS 34: a refusal in the name of somebody else is not shown as the provider's.
#[tokio::test]
async fn faults_34_a_strangers_refusal_is_not_the_providers() {
    let scene = Scene::start().await;
    let trip = scene.open("alice").await;
    let state = trip.cookie.trim_end_matches("=1").replace("oauth2-", "");
    let query = format!(
        "state={state}&error=access_denied&error_description=call-0900&iss=https://attacker.test"
    );
    let page = scene
        .browse(&format!("/oauth/callback?{query}"), Some(&trip.cookie))
        .await;
    assert_eq!(error_type(&page), "callback_err");
    assert!(!page.text().contains("call-0900"));
}

/// FAULTS 34, RFC 9700, 4.4.2.2.
#[tokio::test]
async fn faults_34_an_integration_can_have_a_callback_url_of_its_own() {
    let scene = Scene::start().await;
    let patch = json!({ "own_callback_url": true });
    let patched = scene.app.patch("/integrations/crm", patch).await;
    assert_eq!(
        patched.json()["data"]["own_callback_url"],
        true,
        "{}",
        patched.text()
    );
    scene.integration("other").await;
    let own = "http%3A%2F%2Ftenon.test%2Foauth%2Fcallback%2Fcrm";
    for (path, expected) in [
        ("/oauth/callback", "callback_err"),
        ("/oauth/callback/other", "callback_err"),
        ("/oauth/callback/crm", ""),
    ] {
        let trip = scene.open("alice").await;
        assert!(
            trip.location.contains(&format!("redirect_uri={own}&")),
            "{}",
            trip.location
        );
        let query = scene.provider.agree(&trip.location);
        let page = scene
            .browse(&format!("{path}?{query}"), Some(&trip.cookie))
            .await;
        assert_eq!(error_type(&page), expected, "{path}");
    }
    // Without the setting, the path of another integration is nobody's.
    let path = format!(
        "/oauth/connect/other?public_key={}&connection_id=bob",
        scene.public_key()
    );
    let trip = scene.open_at(&path).await;
    let query = scene.provider.agree(&trip.location);
    let page = scene
        .browse(
            &format!("/oauth/callback/other?{query}"),
            Some(&trip.cookie),
        )
        .await;
    assert_eq!(error_type(&page), "callback_err");
    assert!(!scene.has_connection("bob").await);
}
