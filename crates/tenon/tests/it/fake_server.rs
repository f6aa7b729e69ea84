//! A server that answers as it is told and remembers what it was asked.

use std::{
    collections::HashMap,
    io::{BufRead as _, BufReader, Read as _, Write as _},
    net::{TcpListener, TcpStream},
    sync::{Arc, Condvar, Mutex},
    time::Duration,
};

use serde_json::Value;

/// Longest wait for something that must happen.
const PATIENCE: Duration = Duration::from_secs(60);

#[derive(Clone, Debug)]
pub(crate) struct Asked {
    pub(crate) path: String,
    pub(crate) headers: HashMap<String, String>,
    pub(crate) body: Value,
}

#[derive(Default)]
struct State {
    asked: Mutex<Vec<Asked>>,
    /// Requests that have their answer.
    answered: Mutex<usize>,
    more: Condvar,
    answers: Mutex<HashMap<String, (u16, Value)>>,
}

pub(crate) struct FakeServer {
    pub(crate) url: String,
    state: Arc<State>,
}

impl FakeServer {
    /// Listens on a free port until the test's process ends.
    pub(crate) fn start(answers: &[(&str, u16, Value)]) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let url = format!("http://{}", listener.local_addr().unwrap());
        let state = Arc::new(State::default());
        for (path, status, body) in answers {
            state
                .answers
                .lock()
                .unwrap()
                .insert((*path).to_owned(), (*status, body.clone()));
        }
        let shared = Arc::clone(&state);
        std::thread::spawn(move || {
            for stream in listener.incoming().flatten() {
                let shared = Arc::clone(&shared);
                std::thread::spawn(move || serve(stream, &shared));
            }
        });
        Self { url, state }
    }

    /// Answers differently from now on.
    pub(crate) fn answer(&self, path: &str, status: u16, body: Value) {
        let mut answers = self.state.answers.lock().unwrap();
        answers.insert(path.to_owned(), (status, body));
    }

    pub(crate) fn asked(&self) -> Vec<Asked> {
        self.state.asked.lock().unwrap().clone()
    }

    /// Waits until it has answered `count` times.
    pub(crate) fn wait_for(&self, count: usize) -> Vec<Asked> {
        let answered = self.state.answered.lock().unwrap();
        let (answered, timeout) = self
            .state
            .more
            .wait_timeout_while(answered, PATIENCE, |answered| *answered < count)
            .unwrap();
        assert!(!timeout.timed_out(), "only {answered} requests came");
        drop(answered);
        self.asked()
    }
}

fn serve(mut stream: TcpStream, state: &State) {
    let mut reader = BufReader::new(stream.try_clone().unwrap());
    let mut line = String::new();
    if reader.read_line(&mut line).unwrap_or(0) == 0 {
        return;
    }
    let path = line.split(' ').nth(1).unwrap_or_default().to_owned();
    let mut headers = HashMap::new();
    loop {
        line.clear();
        reader.read_line(&mut line).unwrap();
        match line.trim_end().split_once(':') {
            Some((name, value)) => headers.insert(name.to_lowercase(), value.trim().to_owned()),
            None => break,
        };
    }
    let length = headers
        .get("content-length")
        .map_or(0, |length| length.parse().unwrap());
    let mut body = vec![0; length];
    reader.read_exact(&mut body).unwrap();
    let body = serde_json::from_slice(&body).unwrap_or_default();
    let (status, answer) = state
        .answers
        .lock()
        .unwrap()
        .get(&path)
        .cloned()
        .unwrap_or((404, Value::Null));
    let text = answer.to_string();
    let head = format!(
        "HTTP/1.1 {status} X\r\ncontent-type: application/json\r\nx-ratelimit-limit: 10\r\nx-other: 1\r\ncontent-length: {}\r\nconnection: close\r\n\r\n",
        text.len()
    );
    // Noted first: whoever has the answer may ask at once what was asked.
    state.asked.lock().unwrap().push(Asked {
        path,
        headers,
        body,
    });
    stream.write_all((head + &text).as_bytes()).unwrap();
    *state.answered.lock().unwrap() += 1;
    state.more.notify_all();
}
