//! What no log line may hold (FAULTS 56): secrets that tests seed carry a mark, and every line that is logged while they run
//! is searched for it.

use std::{
    collections::BTreeSet,
    fmt::{self, Write as _},
    sync::{
        Mutex, MutexGuard, Once, PoisonError,
        atomic::{AtomicUsize, Ordering},
    },
};

use serde_json::Value;
use tracing::{
    Event, Metadata, Subscriber,
    field::{Field, Visit},
    span,
};

/// The mark. Whatever a test seeds as a secret should hold it.
pub const MARK: &str = "canary";

/// Lines with a secret, the secret cut.
static FOUND: Mutex<Vec<String>> = Mutex::new(Vec::new());

static SEARCHED: AtomicUsize = AtomicUsize::new(0);

/// Secrets without a mark.
static KNOWN: Mutex<BTreeSet<String>> = Mutex::new(BTreeSet::new());

/// Shorter texts turn up by chance.
const SHORTEST: usize = 12;

/// Members of requests whose text is a secret.
const SECRETS: &[&str] = &[
    "access_token",
    "apiKey",
    "api_key",
    "client_private_key",
    "client_secret",
    "oauth_token",
    "oauth_token_secret",
    "password",
    "private_key",
    "refresh_token",
    "token",
    "token_secret",
    "webhook_secret",
];

/// Lines may not hold this text either.
pub fn add(secret: &str) {
    if secret.len() >= SHORTEST {
        lock(&KNOWN).insert(secret.to_owned());
    }
}

/// Lines may not hold the secrets of a request.
pub fn add_all(body: &Value) {
    match body {
        Value::Object(members) => {
            for (name, member) in members {
                match member.as_str() {
                    Some(text) if SECRETS.contains(&name.as_str()) => add(text),
                    _ => add_all(member),
                }
            }
        }
        Value::Array(items) => items.iter().for_each(add_all),
        _ => {}
    }
}

/// Searches every line that this process logs from now on, whatever its level.
pub fn watch() {
    static ONCE: Once = Once::new();
    ONCE.call_once(|| {
        tracing::subscriber::set_global_default(Watcher)
            .expect("nobody else listens to the logs of tests");
    });
}

/// Lines with secrets that were logged so far, by any test of this process; they are told once.
pub fn found() -> Vec<String> {
    std::mem::take(&mut *lock(&FOUND))
}

fn lock<T>(of: &Mutex<T>) -> MutexGuard<'_, T> {
    of.lock().unwrap_or_else(PoisonError::into_inner)
}

/// How many lines were searched so far.
pub fn searched() -> usize {
    SEARCHED.load(Ordering::Relaxed)
}

/// Fails a test, if any line held a secret.
///
/// # Panics
///
/// If one did.
pub fn assert_none() {
    let found = found();
    assert!(
        found.is_empty() || std::thread::panicking(),
        "secrets in log lines:\n{}",
        found.join("\n")
    );
}

/// Listens, and keeps nothing but what is wrong.
struct Watcher;

impl Subscriber for Watcher {
    fn enabled(&self, _metadata: &Metadata<'_>) -> bool {
        true
    }

    fn new_span(&self, span: &span::Attributes<'_>) -> span::Id {
        let mut line = Line::of(span.metadata());
        span.record(&mut line);
        line.search();
        span::Id::from_u64(1)
    }

    fn record(&self, _span: &span::Id, values: &span::Record<'_>) {
        let mut line = Line(String::new());
        values.record(&mut line);
        line.search();
    }

    fn record_follows_from(&self, _span: &span::Id, _follows: &span::Id) {}

    fn event(&self, event: &Event<'_>) {
        let mut line = Line::of(event.metadata());
        event.record(&mut line);
        line.search();
    }

    fn enter(&self, _span: &span::Id) {}

    fn exit(&self, _span: &span::Id) {}
}

/// The text of a line.
struct Line(String);

impl Line {
    fn of(metadata: &Metadata<'_>) -> Self {
        Self(format!("{} {}:", metadata.level(), metadata.target()))
    }

    fn search(self) {
        SEARCHED.fetch_add(1, Ordering::Relaxed);
        let mut text = self.0;
        for secret in &*lock(&KNOWN) {
            if text.contains(secret.as_str()) {
                text = text.replace(secret.as_str(), MARK);
            }
        }
        if text.contains(MARK) {
            lock(&FOUND).push(cut(&text));
        }
    }
}

impl Visit for Line {
    fn record_debug(&mut self, field: &Field, value: &dyn fmt::Debug) {
        let _ = write!(self.0, " {}={value:?}", field.name());
    }
}

/// Without the words that hold a mark.
fn cut(text: &str) -> String {
    let is_of_a_word = |letter: char| letter.is_alphanumeric() || "-_.~+/".contains(letter);
    let mut told = String::new();
    let mut word = String::new();
    for letter in text.chars().chain(['\n']) {
        if is_of_a_word(letter) {
            word.push(letter);
            continue;
        }
        told.push_str(if word.contains(MARK) { "***" } else { &word });
        word.clear();
        told.push(letter);
    }
    told.pop();
    told
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::{add_all, assert_none, found, watch};

    #[test]
    fn faults_56_a_secret_in_any_line_is_found_and_not_told() {
        watch();
        tracing::info!(url = "http://a.test/x?page=2", "all is well");
        assert_none();
        add_all(
            &json!({"credentials": [{"apiKey": "key-of-somebody", "name": "a-long-enough-name"}]}),
        );
        let leaks: [&dyn Fn(); 5] = [
            &|| tracing::info!("a-long-enough-name has key-of-somebody"),
            &|| tracing::error!("refused the key token-canary-1"),
            &|| tracing::trace!(key = "token-canary-1", "refused"),
            &|| tracing::debug!(headers = ?[("authorization", "Bearer token-canary-1")], "sent"),
            &|| drop(tracing::info_span!("call", key = "token-canary-1")),
        ];
        for leak in leaks {
            leak();
            let lines = found();
            assert_eq!(lines.len(), 1);
            assert!(
                lines[0].contains("***")
                    && !lines[0].contains("canary")
                    && !lines[0].contains("key-of"),
                "{lines:?}"
            );
        }
        tracing::warn!("token-canary-1");
        assert!(std::panic::catch_unwind(assert_none).is_err());
        assert_none();
    }
}
