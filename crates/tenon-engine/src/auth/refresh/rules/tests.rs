use std::time::Duration;

use serde_json::{Map, Value, json};
use tenon_core::{
    Timestamp,
    auth::AuthMode,
    names::{ConnectionPk, EnvironmentPk, IntegrationPk},
};
use tenon_providers::Provider;
use tenon_store::connections::ConnectionRow;

use super::{count_failure, is_due, is_usable, pause, stored_cause};

const NOW: Timestamp = Timestamp::from_secs(1_700_000_000);
const HOUR: i64 = 3600;

fn at(seconds: i64) -> Timestamp {
    Timestamp::from_secs(1_700_000_000 + seconds)
}

fn row() -> ConnectionRow {
    ConnectionRow {
        pk: ConnectionPk(1),
        environment: EnvironmentPk(1),
        integration: IntegrationPk(1),
        integration_key: "crm".to_owned(),
        connection_id: "alice".to_owned(),
        provider: "crm".to_owned(),
        auth_mode: "OAUTH2".to_owned(),
        credentials: bytes::Bytes::new(),
        credentials_expires_at: None,
        credentials_version: 1,
        connection_config: "{}".to_owned(),
        metadata: None,
        tags: "{}".to_owned(),
        end_user: None,
        webhook_url_override: None,
        last_fetched_at: None,
        last_refresh_success: None,
        last_refresh_failure: None,
        refresh_attempts: 0,
        refresh_exhausted: false,
        auth_error: None,
        auth_error_log_id: None,
        sync_error_log_id: None,
        created_at: at(-HOUR),
        updated_at: at(-HOUR),
    }
}

fn provider(entry: Value) -> Provider {
    let mut all = json!({ "auth_mode": "OAUTH2" });
    all.as_object_mut()
        .unwrap()
        .extend(entry.as_object().unwrap().clone());
    serde_json::from_value(all).unwrap()
}

fn with_refresh_token() -> Map<String, Value> {
    json!({ "refresh_token": "r" }).as_object().unwrap().clone()
}

#[test]
fn tokens_are_due_within_the_margin() {
    let plain = provider(json!({}));
    let short = provider(json!({ "token_expiration_buffer": 30 }));
    let due = |provider: &Provider, expires: Option<i64>, forced| {
        let row = ConnectionRow {
            credentials_expires_at: expires.map(at),
            ..row()
        };
        is_due(
            &row,
            &with_refresh_token(),
            provider,
            AuthMode::OAuth2,
            forced,
            NOW,
        )
    };
    assert!(due(&plain, Some(-1), false));
    assert!(due(&plain, Some(900), false));
    assert!(!due(&plain, Some(900 + 180), false));
    assert!(due(&short, Some(30), false));
    assert!(!due(&short, Some(31), false));
    assert!(!due(&plain, None, false), "no expiry: never stale");
    assert!(due(&plain, None, true), "unless forced");
    let nothing = Map::new();
    assert!(
        !is_due(&row(), &nothing, &plain, AuthMode::OAuth2, true, NOW),
        "nothing to refresh with"
    );
    assert!(!is_due(
        &row(),
        &nothing,
        &plain,
        AuthMode::ApiKey,
        true,
        NOW
    ));
}

#[test]
fn a_forced_read_takes_a_result_of_a_moment_ago() {
    let plain = provider(json!({}));
    let forced = |success: i64| {
        let row = ConnectionRow {
            last_refresh_success: Some(at(success)),
            ..row()
        };
        is_due(
            &row,
            &with_refresh_token(),
            &plain,
            AuthMode::OAuth2,
            true,
            NOW,
        )
    };
    assert!(!forced(0));
    assert!(!forced(-2));
    assert!(forced(-3));
}

/// FAULTS 43.
#[test]
fn a_token_that_was_born_expired_is_not_refreshed_at_every_look() {
    let plain = provider(json!({}));
    let due = |expires: i64, success: i64| {
        let row = ConnectionRow {
            credentials_expires_at: Some(at(expires)),
            last_refresh_success: Some(at(success)),
            ..row()
        };
        is_due(
            &row,
            &with_refresh_token(),
            &plain,
            AuthMode::OAuth2,
            false,
            NOW,
        )
    };
    assert!(
        !due(-5, -5),
        "came with a lifetime of zero five seconds ago"
    );
    assert!(due(-31, -31));
    assert!(due(-4, -5), "lived for a second");
}

#[test]
fn pauses_end_after_half_a_minute_or_when_the_provider_says() {
    let failed = |seconds: i64| ConnectionRow {
        last_refresh_failure: Some(at(seconds)),
        ..row()
    };
    assert_eq!(pause(&row(), None, NOW), None);
    assert_eq!(
        pause(&failed(-10), None, NOW),
        Some(Duration::from_secs(20))
    );
    assert_eq!(pause(&failed(-30), None, NOW), None);
    assert_eq!(
        pause(&failed(-10), Some(at(60)), NOW),
        Some(Duration::from_secs(60))
    );
    assert_eq!(
        pause(&failed(-90), Some(at(60)), NOW),
        Some(Duration::from_secs(60))
    );
}

#[test]
fn four_failing_days_are_too_many() {
    let mut connection = row();
    let mut counted = Vec::new();
    for hours in [0, 1, 24, 25, 48, 49, 72] {
        let now = at(hours * HOUR);
        let (attempts, exhausted) = count_failure(&connection, false, now);
        counted.push((attempts, exhausted));
        connection.refresh_attempts = attempts;
        connection.last_refresh_failure = Some(now);
    }
    // 22:13 UTC: an hour later it is still the same day.
    let expected = [
        (1, false),
        (1, false),
        (2, false),
        (2, false),
        (3, false),
        (3, false),
        (4, true),
    ];
    assert_eq!(counted, expected);
}

#[test]
fn a_marked_or_expired_connection_is_not_usable() {
    let usable = |row: ConnectionRow| is_usable(&row, NOW);
    assert!(usable(row()));
    assert!(usable(ConnectionRow {
        credentials_expires_at: Some(at(1)),
        ..row()
    }));
    assert!(!usable(ConnectionRow {
        credentials_expires_at: Some(NOW),
        ..row()
    }));
    assert!(!usable(ConnectionRow {
        auth_error: Some("invalid_grant".to_owned()),
        ..row()
    }));
    assert!(usable(ConnectionRow {
        auth_error: Some(stored_cause("http_503", true)),
        ..row()
    }));
}

/// FAULTS 31.
#[test]
fn connections_that_expire_together_are_due_one_after_the_other() {
    let plain = provider(json!({}));
    let due_at = |pk: i64| {
        let row = ConnectionRow {
            pk: ConnectionPk(pk),
            credentials_expires_at: Some(at(1_080)),
            ..row()
        };
        let is_due = |second: &i64| {
            let (grant, mode) = (with_refresh_token(), AuthMode::OAuth2);
            is_due(&row, &grant, &plain, mode, false, at(*second))
        };
        (0..900).find(is_due).unwrap()
    };
    let mut by_ten_seconds = [0; 19];
    for pk in 0..1_800 {
        by_ten_seconds[usize::try_from(due_at(pk) / 10).unwrap()] += 1;
    }
    let (most, last) = (by_ten_seconds.iter().max(), by_ten_seconds[17]);
    assert!(most < Some(&150) && last > 50, "{by_ten_seconds:?}");
}

/// FAULTS 43.
#[test]
fn a_token_that_lives_for_minutes_is_due_at_half_its_life() {
    let plain = provider(json!({}));
    let due_of = |life: i64, age: i64| {
        let row = ConnectionRow {
            last_refresh_success: Some(at(-age)),
            credentials_expires_at: Some(at(life - age)),
            ..row()
        };
        let (grant, mode) = (with_refresh_token(), AuthMode::OAuth2);
        is_due(&row, &grant, &plain, mode, false, NOW)
    };
    assert!(!due_of(600, 0));
    assert!(!due_of(600, 299));
    assert!(due_of(600, 300));
    assert!(!due_of(90, 29));
    assert!(due_of(90, 30), "its last minute");
    assert!(due_of(1, 0), "too short to be kept");
}

#[test]
fn days_on_which_the_provider_is_away_do_not_count() {
    let mut connection = row();
    for day in 0..10 {
        let now = at(day * 24 * HOUR);
        let counted = count_failure(&connection, true, now);
        assert_eq!(counted, (0, false));
        connection.last_refresh_failure = Some(now);
    }
}
