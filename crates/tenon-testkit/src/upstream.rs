//! A fake external server on loopback: scripted answers, and a record of what arrived.
//!
//! It speaks just enough HTTP/1.1 to be wrong on purpose: answers can be raw bytes, stop half-way or never come.

use std::{
    net::SocketAddr,
    sync::{Arc, Mutex, PoisonError},
    time::Duration,
};

use bytes::Bytes;
use tokio::{
    io::{AsyncBufReadExt, AsyncReadExt, AsyncWriteExt, BufReader},
    net::{TcpListener, TcpStream},
    task::JoinHandle,
};

/// A request that arrived.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Received {
    pub method: String,
    /// Path and query as they were on the wire.
    pub target: String,
    /// Lower-case names, in order of arrival.
    pub headers: Vec<(String, String)>,
    /// Empty if the server only counts ([`Upstream::counting`]).
    pub body: Bytes,
    pub body_bytes: u64,
    /// Number of the connection it came over, from 1.
    pub connection: u64,
}

impl Received {
    /// The first value of a header.
    pub fn header(&self, name: &str) -> Option<&str> {
        self.headers
            .iter()
            .find(|(given, _)| given == name)
            .map(|(_, value)| value.as_str())
    }

    /// The body as text.
    pub fn text(&self) -> String {
        String::from_utf8_lossy(&self.body).into_owned()
    }

    /// Path without query.
    pub fn path(&self) -> &str {
        self.target.split('?').next().unwrap_or_default()
    }
}

/// What to answer.
#[derive(Clone, Debug)]
pub enum Answer {
    /// A proper answer with `content-length`.
    Whole {
        status: u16,
        headers: Vec<(String, String)>,
        body: Bytes,
    },
    /// A proper answer in chunks.
    Chunked {
        status: u16,
        headers: Vec<(String, String)>,
        chunks: Vec<Bytes>,
    },
    /// `count` zero bytes with `content-length`.
    Zeros { count: u64 },
    /// These bytes, then the connection closes.
    Raw(Bytes),
    /// The connection closes without a word.
    HangUp,
    /// Nothing ever comes.
    Silence,
    /// The answer inside, after a pause on the wall clock.
    Later(Duration, Box<Answer>),
}

impl Answer {
    /// A status with a text body.
    pub fn text(status: u16, body: &str) -> Self {
        Self::Whole {
            status,
            headers: vec![("content-type".to_owned(), "text/plain".to_owned())],
            body: Bytes::copy_from_slice(body.as_bytes()),
        }
    }

    /// A status with a JSON body.
    pub fn json(status: u16, body: &serde_json::Value) -> Self {
        Self::Whole {
            status,
            headers: vec![("content-type".to_owned(), "application/json".to_owned())],
            body: Bytes::from(body.to_string()),
        }
    }

    /// A redirect.
    pub fn redirect(status: u16, location: &str) -> Self {
        Self::text(status, "").header("location", location)
    }

    /// Adds a header.
    #[must_use]
    pub fn header(mut self, name: &str, value: &str) -> Self {
        match &mut self {
            Self::Whole { headers, .. } | Self::Chunked { headers, .. } => {
                headers.push((name.to_owned(), value.to_owned()));
            }
            Self::Zeros { .. } | Self::Raw(_) | Self::HangUp | Self::Silence | Self::Later(..) => {
                panic!("this answer has no headers to add to")
            }
        }
        self
    }
}

type Script = Arc<dyn Fn(&Received) -> Answer + Send + Sync>;

/// A running server; stops when dropped.
pub struct Upstream {
    address: SocketAddr,
    received: Arc<Mutex<Vec<Received>>>,
    accepting: JoinHandle<()>,
}

impl Upstream {
    /// Starts a server on a free loopback port that answers by this script.
    pub async fn start(script: impl Fn(&Received) -> Answer + Send + Sync + 'static) -> Self {
        Self::with(Arc::new(script), true).await
    }

    /// The same, but bodies are counted, not kept.
    pub async fn counting(script: impl Fn(&Received) -> Answer + Send + Sync + 'static) -> Self {
        Self::with(Arc::new(script), false).await
    }

    async fn with(script: Script, keep: bool) -> Self {
        let listener = TcpListener::bind(("127.0.0.1", 0))
            .await
            .expect("loopback has free ports");
        let address = listener
            .local_addr()
            .expect("a bound socket has an address");
        let received: Arc<Mutex<Vec<Received>>> = Arc::default();
        let log = Arc::clone(&received);
        let accepting = tokio::spawn(async move {
            let mut tasks = tokio::task::JoinSet::new();
            let mut count = 0;
            while let Ok((stream, _)) = listener.accept().await {
                count += 1;
                let connection = Connection {
                    number: count,
                    script: Arc::clone(&script),
                    log: Arc::clone(&log),
                    keep,
                };
                tasks.spawn(async move {
                    let _ = connection.serve(stream).await;
                });
                while tasks.try_join_next().is_some() {}
            }
        });
        Self {
            address,
            received,
            accepting,
        }
    }

    /// Where it listens.
    pub const fn address(&self) -> SocketAddr {
        self.address
    }

    /// `http://127.0.0.1:<port>` plus a path.
    pub fn url(&self, path: &str) -> String {
        format!("http://{}{path}", self.address)
    }

    /// Everything that arrived so far.
    pub fn received(&self) -> Vec<Received> {
        self.received
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
            .clone()
    }

    /// How many requests arrived so far.
    pub fn count(&self) -> usize {
        self.received
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
            .len()
    }

    /// Everything that arrived since the last call.
    pub fn take(&self) -> Vec<Received> {
        std::mem::take(&mut *self.received.lock().unwrap_or_else(PoisonError::into_inner))
    }
}

impl Drop for Upstream {
    fn drop(&mut self) {
        self.accepting.abort();
    }
}

struct Connection {
    number: u64,
    script: Script,
    log: Arc<Mutex<Vec<Received>>>,
    keep: bool,
}

impl Connection {
    async fn serve(self, stream: TcpStream) -> std::io::Result<()> {
        stream.set_nodelay(true)?;
        let mut stream = BufReader::with_capacity(64 * 1024, stream);
        while let Some(request) = self.read(&mut stream).await? {
            let answer = (self.script)(&request);
            let head_only = request.method == "HEAD";
            self.log
                .lock()
                .unwrap_or_else(PoisonError::into_inner)
                .push(request);
            if !write(stream.get_mut(), answer, head_only).await? {
                break;
            }
        }
        Ok(())
    }

    async fn read(&self, stream: &mut BufReader<TcpStream>) -> std::io::Result<Option<Received>> {
        let mut line = String::new();
        if stream.read_line(&mut line).await? == 0 {
            return Ok(None);
        }
        let mut words = line.split_whitespace();
        let method = words.next().unwrap_or_default().to_owned();
        let target = words.next().unwrap_or_default().to_owned();
        let mut headers = Vec::new();
        loop {
            let mut line = String::new();
            stream.read_line(&mut line).await?;
            let line = line.trim_end();
            if line.is_empty() {
                break;
            }
            let (name, value) = line.split_once(':').unwrap_or((line, ""));
            headers.push((name.to_ascii_lowercase(), value.trim().to_owned()));
        }
        let mut request = Received {
            method,
            target,
            headers,
            body: Bytes::new(),
            body_bytes: 0,
            connection: self.number,
        };
        let mut body = Vec::new();
        if request.header("transfer-encoding").is_some() {
            loop {
                let mut size = String::new();
                stream.read_line(&mut size).await?;
                let size = u64::from_str_radix(size.trim(), 16).unwrap_or(0);
                self.read_body(stream, size, &mut body).await?;
                request.body_bytes += size;
                stream.read_line(&mut String::new()).await?;
                if size == 0 {
                    break;
                }
            }
        } else if let Some(length) = request.header("content-length") {
            request.body_bytes = length.parse().unwrap_or(0);
            self.read_body(stream, request.body_bytes, &mut body)
                .await?;
        }
        request.body = Bytes::from(body);
        Ok(Some(request))
    }

    async fn read_body(
        &self,
        stream: &mut BufReader<TcpStream>,
        bytes: u64,
        body: &mut Vec<u8>,
    ) -> std::io::Result<()> {
        let mut piece = stream.take(bytes);
        if self.keep {
            piece.read_to_end(body).await?;
        } else {
            tokio::io::copy_buf(&mut piece, &mut tokio::io::sink()).await?;
        }
        Ok(())
    }
}

/// Writes an answer; returns whether the connection may be used again.
async fn write(stream: &mut TcpStream, answer: Answer, head_only: bool) -> std::io::Result<bool> {
    match answer {
        Answer::Whole {
            status,
            headers,
            body,
        } => {
            let mut out = head(status, &headers);
            if status != 204 && status != 304 {
                out.extend_from_slice(format!("content-length: {}\r\n", body.len()).as_bytes());
            }
            out.extend_from_slice(b"\r\n");
            if !head_only {
                out.extend_from_slice(&body);
            }
            stream.write_all(&out).await?;
            Ok(true)
        }
        Answer::Chunked {
            status,
            headers,
            chunks,
        } => {
            let mut out = head(status, &headers);
            out.extend_from_slice(b"transfer-encoding: chunked\r\n\r\n");
            stream.write_all(&out).await?;
            for chunk in chunks {
                let mut out = format!("{:x}\r\n", chunk.len()).into_bytes();
                out.extend_from_slice(&chunk);
                out.extend_from_slice(b"\r\n");
                stream.write_all(&out).await?;
            }
            stream.write_all(b"0\r\n\r\n").await?;
            Ok(true)
        }
        Answer::Zeros { count } => {
            let mut out = head(200, &[]);
            out.extend_from_slice(format!("content-length: {count}\r\n\r\n").as_bytes());
            stream.write_all(&out).await?;
            tokio::io::copy(&mut tokio::io::repeat(0).take(count), stream).await?;
            Ok(true)
        }
        Answer::Raw(bytes) => {
            stream.write_all(&bytes).await?;
            stream.shutdown().await?;
            Ok(false)
        }
        Answer::HangUp => Ok(false),
        Answer::Silence => std::future::pending().await,
        Answer::Later(pause, answer) => {
            tokio::time::sleep(pause).await;
            Box::pin(write(stream, *answer, head_only)).await
        }
    }
}

fn head(status: u16, headers: &[(String, String)]) -> Vec<u8> {
    let mut out = format!("HTTP/1.1 {status} Scripted\r\n");
    for (name, value) in headers {
        out.push_str(&format!("{name}: {value}\r\n"));
    }
    out.into_bytes()
}
