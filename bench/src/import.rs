//! Importing connections whose credentials the app has already.

use anyhow::{Result, ensure};
use serde_json::{Value, json};

use crate::{
    cases::{self, Settings},
    http::request,
    load,
    server::own,
};

/// `import`
pub(crate) async fn measure(settings: &Settings) -> Result<()> {
    let (_upstream, upstream) = own(&["--upstream"])?;
    let mut rounds = Vec::new();
    for _ in 0..settings.rounds {
        // A fresh server each time: it must not matter how many connections there are, but rounds shall be alike.
        let tenon = cases::connected(settings, &upstream).await?;
        let authorization = format!("Bearer {}", tenon.secret);
        let headers = [
            ("authorization", authorization.as_str()),
            ("content-type", "application/json"),
        ];
        // Without an id each request makes a new connection.
        let body = json!({
            "provider_config_key": "bench",
            "credentials": {"type": "API_KEY", "apiKey": "a-key-that-the-app-has-already"},
            "metadata": {"account": "4711"},
            "tags": {"end_user_id": "user-1"},
        })
        .to_string();
        let post = request("POST", "/connections", &headers, body.as_bytes());
        let figures = load::run(
            &tenon.address,
            &post,
            201,
            settings.clients,
            settings.seconds,
        )
        .await?;
        let list = "/connections?limit=1&page=0";
        let listed: Value = tenon.call("GET", list, &[], &Value::Null).await?;
        ensure!(
            listed["connections"][0]["tags"]["end_user_id"] == "user-1",
            "{listed}"
        );
        rounds.push(figures);
    }
    cases::row("POST /connections", &load::median(rounds));
    Ok(())
}
