//! The client itself.

use std::{
    collections::HashMap,
    fmt,
    pin::Pin,
    sync::{Arc, Mutex, PoisonError},
    task::{Context, Poll},
    time::Duration,
};

use base64::Engine as _;
use bytes::Bytes;
use http::{HeaderMap, HeaderValue, Method, Request, Uri, header};
use http_body::{Body, Frame, SizeHint};
use hyper::body::Incoming;
use hyper_rustls::HttpsConnector;
use hyper_util::{
    client::legacy::{Client, connect::capture_connection},
    rt::{TokioExecutor, TokioTimer},
};
use tenon_core::limits;
use tokio::time::Instant;
use url::Url;

use super::{
    ClientIdentity, EgressBody, EgressError, EgressOptions, EgressPolicy, EgressRequest,
    EgressResponse, Network, ResponseBody, StandIn, SystemNetwork,
    connect::{GuardedConnector, Timed},
    decompress, error, headers, redirect,
    response::Arriving,
    tls,
};

/// How long an idle connection is kept: shorter than the minute after which many servers close theirs.
const IDLE: Duration = Duration::from_secs(50);

/// Bytes of a redirect's own body that are read so that its connection can be used again.
const REDIRECT_BODY_BYTES: u64 = 16 * 1024;

type HttpClient = Client<Timed<HttpsConnector<GuardedConnector>>, Outgoing>;

/// Makes outgoing requests. Cheap to clone.
#[derive(Clone)]
pub struct Egress(Arc<Inner>);

struct Inner {
    policy: Arc<EgressPolicy>,
    network: Arc<dyn Network>,
    plain: HttpClient,
    /// Clients with a certificate of their own, by a hash of it: their connections must not be shared.
    with_identity: Mutex<HashMap<blake3::Hash, HttpClient>>,
    /// Answers instead of the outside.
    stand_in: Option<Arc<dyn StandIn>>,
}

impl Egress {
    /// A client that keeps to this policy.
    pub fn new(policy: EgressPolicy) -> Self {
        Self::with_network(policy, Arc::new(SystemNetwork))
    }

    /// The same over another network: for tests and simulations.
    pub fn with_network(policy: EgressPolicy, network: Arc<dyn Network>) -> Self {
        Self::build(policy, network, None)
    }

    /// A client that sends nothing: `stand_in` answers.
    pub fn rehearsing(stand_in: Arc<dyn StandIn>) -> Self {
        Self::build(
            EgressPolicy::default(),
            Arc::new(SystemNetwork),
            Some(stand_in),
        )
    }

    fn build(
        policy: EgressPolicy,
        network: Arc<dyn Network>,
        stand_in: Option<Arc<dyn StandIn>>,
    ) -> Self {
        let policy = Arc::new(policy);
        let plain = http_client(&policy, &network, None)
            .expect("only a client certificate can make settings fail");
        Self(Arc::new(Inner {
            policy,
            network,
            plain,
            with_identity: Mutex::default(),
            stand_in,
        }))
    }

    /// Sends a request, follows redirects as its options say, and returns once the head of the answer is there. Any
    /// status is an answer; an error means that there was none.
    pub async fn send(&self, request: EgressRequest) -> Result<EgressResponse, EgressError> {
        let EgressRequest {
            mut method,
            mut url,
            mut headers,
            mut body,
            options,
        } = request;
        let deadline = options.timeout.map(|timeout| Deadline {
            at: Instant::now() + timeout,
            timeout,
        });
        authorize_from_url(&mut url, &mut headers);
        headers::clean_request(&mut headers)?;
        if let Some(stand_in) = &self.0.stand_in {
            let request = EgressRequest {
                method,
                url,
                headers,
                body,
                options,
            };
            return stand_in.answer(request).await;
        }
        let client = self.client(options.identity.as_ref())?;
        let mut hop = 0;
        loop {
            self.0
                .policy
                .check_url(&url)
                .map_err(|reason| EgressError::Refused { reason, hop })?;
            if options
                .hosts
                .as_ref()
                .is_some_and(|hosts| !hosts.allow(&url))
            {
                let reason =
                    super::Refused::Elsewhere(url.host_str().unwrap_or_default().to_owned());
                return Err(EgressError::Refused { reason, hop });
            }
            let (sent, kept) = outgoing(body);
            let answer = exchange(&client, &method, &url, &headers, sent, deadline)
                .await
                .map_err(|error| at_hop(error, hop))?;
            let target = if options.max_redirects == 0 {
                None
            } else {
                redirect::target(&url, answer.status(), answer.headers())?
            };
            let Some(next) = target else {
                return answered(answer, &method, url, &options, deadline);
            };
            if hop == options.max_redirects {
                return Err(EgressError::TooManyRedirects(options.max_redirects));
            }
            hop += 1;
            redirect::check(&url, &next).map_err(|reason| EgressError::Refused { reason, hop })?;
            let (next_method, body_kept) = redirect::next_method(answer.status(), &method);
            body = match kept {
                _ if !body_kept => EgressBody::Empty,
                Some(kept) => kept,
                None => return Err(EgressError::BodyGone),
            };
            redirect::next_headers(&mut headers, &url, &next, options.across_origins, body_kept);
            reuse_connection(answer.into_body(), deadline).await;
            (method, url) = (next_method, next);
        }
    }

    /// Whether loopback is open: somebody develops on this machine.
    pub fn opens_loopback(&self) -> bool {
        self.0.policy.allow_loopback
    }

    /// Whether the guard lets this URL through now: scheme, host and every resolved address. For checks when a URL is
    /// saved; [`Egress::send`] checks again.
    pub async fn check(&self, url: &Url) -> Result<(), EgressError> {
        if self.0.stand_in.is_some() {
            return Ok(());
        }
        self.0
            .policy
            .check_url(url)
            .map_err(|reason| EgressError::Refused { reason, hop: 0 })?;
        let host = url.host_str().unwrap_or_default();
        let port = url.port_or_known_default().unwrap_or(443);
        self.0
            .policy
            .resolve(self.0.network.as_ref(), host, port)
            .await
            .map(|_| ())
    }

    fn client(&self, identity: Option<&ClientIdentity>) -> Result<HttpClient, EgressError> {
        let Some(identity) = identity else {
            return Ok(self.0.plain.clone());
        };
        let mut hasher = blake3::Hasher::new();
        hasher.update(identity.certificate.as_bytes());
        hasher.update(&[0]);
        hasher.update(identity.key.expose().as_bytes());
        let hash = hasher.finalize();
        let mut clients = self
            .0
            .with_identity
            .lock()
            .unwrap_or_else(PoisonError::into_inner);
        if let Some(client) = clients.get(&hash) {
            return Ok(client.clone());
        }
        if clients.len() >= limits::CLIENT_IDENTITIES {
            clients.clear();
        }
        let client = http_client(&self.0.policy, &self.0.network, Some(identity))?;
        clients.insert(hash, client.clone());
        Ok(client)
    }
}

impl fmt::Debug for Egress {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(formatter, "Egress({:?})", self.0.policy)
    }
}

/// The end of the whole exchange.
#[derive(Clone, Copy, Debug)]
pub(super) struct Deadline {
    pub(super) at: Instant,
    pub(super) timeout: Duration,
}

fn http_client(
    policy: &Arc<EgressPolicy>,
    network: &Arc<dyn Network>,
    identity: Option<&ClientIdentity>,
) -> Result<HttpClient, EgressError> {
    let connector = hyper_rustls::HttpsConnectorBuilder::new()
        .with_tls_config(tls::client_config(identity)?)
        .https_or_http()
        .enable_http1()
        .wrap_connector(GuardedConnector {
            policy: Arc::clone(policy),
            network: Arc::clone(network),
        });
    Ok(Client::builder(TokioExecutor::new())
        .pool_timer(TokioTimer::new())
        .pool_idle_timeout(IDLE)
        .pool_max_idle_per_host(limits::IDLE_CONNECTIONS)
        .http1_max_headers(limits::HTTP_HEADERS)
        .http1_max_buf_size(limits::HTTP_HEAD_BYTES)
        .build(Timed(connector)))
}

/// `user:password@` in a URL becomes a header, as browsers and Axios do it.
fn authorize_from_url(url: &mut Url, headers: &mut HeaderMap) {
    if url.username().is_empty() && url.password().is_none() {
        return;
    }
    let decode = |text: &str| {
        percent_encoding::percent_decode_str(text)
            .decode_utf8_lossy()
            .into_owned()
    };
    let pair = format!(
        "{}:{}",
        decode(url.username()),
        decode(url.password().unwrap_or_default())
    );
    let value = format!(
        "Basic {}",
        base64::engine::general_purpose::STANDARD.encode(pair)
    );
    let _ = url.set_username("");
    let _ = url.set_password(None);
    if !headers.contains_key(header::AUTHORIZATION)
        && let Ok(value) = HeaderValue::from_str(&value)
    {
        headers.insert(header::AUTHORIZATION, value);
    }
}

/// One request, one answer.
async fn exchange(
    client: &HttpClient,
    method: &Method,
    url: &Url,
    headers: &HeaderMap,
    body: Outgoing,
    deadline: Option<Deadline>,
) -> Result<http::Response<Incoming>, EgressError> {
    let without_fragment = url.as_str().split('#').next().unwrap_or_default();
    let uri: Uri = without_fragment
        .parse()
        .map_err(|_| EgressError::InvalidUrl(url.host_str().unwrap_or_default().to_owned()))?;
    let bodiless = body.is_end_stream();
    let mut request = Request::new(body);
    *request.method_mut() = method.clone();
    *request.uri_mut() = uri;
    *request.headers_mut() = headers.clone();
    if bodiless && matches!(*method, Method::POST | Method::PUT | Method::PATCH) {
        // Servers wait for a body, or answer 411, unless told that there is none (RFC 9110, 8.6).
        let none = HeaderValue::from_static("0");
        request.headers_mut().insert(header::CONTENT_LENGTH, none);
    }
    let wait = deadline.map_or(limits::EGRESS_SILENCE, |deadline| {
        deadline.at.saturating_duration_since(Instant::now())
    });
    let connection = capture_connection(&mut request);
    match tokio::time::timeout(wait, client.request(request)).await {
        Ok(Ok(answer)) => {
            if closes_at_once(answer.headers())
                && let Some(connected) = connection.connection_metadata().as_ref()
            {
                connected.poison();
            }
            Ok(answer)
        }
        Ok(Err(failure)) => Err(error::from_client(failure)),
        Err(_) => Err(EgressError::Timeout(
            deadline.map_or(wait, |deadline| deadline.timeout),
        )),
    }
}

/// Whether the server says that it closes idle connections within a second (`Keep-Alive: timeout=0`): the next request on
/// this one would meet a closed door.
fn closes_at_once(headers: &HeaderMap) -> bool {
    let hint = headers
        .get("keep-alive")
        .and_then(|value| value.to_str().ok())
        .unwrap_or_default();
    hint.split(',')
        .filter_map(|part| part.trim().strip_prefix("timeout=")?.parse::<u32>().ok())
        .any(|seconds| seconds <= 1)
}

fn at_hop(error: EgressError, hop: u32) -> EgressError {
    match error {
        EgressError::Refused { reason, .. } => EgressError::Refused { reason, hop },
        other => other,
    }
}

fn answered(
    answer: http::Response<Incoming>,
    method: &Method,
    url: Url,
    options: &EgressOptions,
    deadline: Option<Deadline>,
) -> Result<EgressResponse, EgressError> {
    let (mut parts, body) = answer.into_parts();
    let chunked = headers::clean_response(&mut parts.headers);
    let bodiless = method == Method::HEAD
        || parts.status == http::StatusCode::NO_CONTENT
        || parts.status == http::StatusCode::NOT_MODIFIED;
    let codings = if options.decompress && !bodiless {
        decompress::codings(&parts.headers)?
    } else {
        None
    };
    let arriving = Arriving::new(body, deadline);
    let mut body = match codings {
        None => ResponseBody::new(arriving),
        Some(codings) => {
            parts.headers.remove(header::CONTENT_ENCODING);
            parts.headers.remove(header::CONTENT_LENGTH);
            decompress::decoded(ResponseBody::new(arriving), codings)
        }
    };
    if let Some(limit) = options.max_response_bytes {
        body = body.limited(limit);
    }
    Ok(EgressResponse {
        status: parts.status,
        headers: parts.headers,
        url,
        chunked,
        body,
    })
}

/// Reads the rest of a redirect's answer if it is short: then its connection goes back to the pool.
async fn reuse_connection(body: Incoming, deadline: Option<Deadline>) {
    if body
        .size_hint()
        .upper()
        .is_some_and(|bytes| bytes <= REDIRECT_BODY_BYTES)
    {
        let body = ResponseBody::new(Arriving::new(body, deadline));
        let _ =
            tokio::time::timeout(Duration::from_secs(1), body.collect(REDIRECT_BODY_BYTES)).await;
    }
}

/// Splits a body into what is sent now and what a redirect could send again.
fn outgoing(body: EgressBody) -> (Outgoing, Option<EgressBody>) {
    match body {
        EgressBody::Empty => (Outgoing::Whole(None), Some(EgressBody::Empty)),
        EgressBody::Bytes(bytes) => (
            Outgoing::Whole(Some(bytes.clone()).filter(|bytes| !bytes.is_empty())),
            Some(EgressBody::Bytes(bytes)),
        ),
        EgressBody::Stream { length, body } => (Outgoing::Stream { length, body }, None),
    }
}

/// A request body as hyper wants it.
pub(super) enum Outgoing {
    Whole(Option<Bytes>),
    Stream {
        length: Option<u64>,
        body: ResponseBody,
    },
}

impl Body for Outgoing {
    type Data = Bytes;
    type Error = EgressError;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, EgressError>>> {
        match &mut *self {
            Self::Whole(bytes) => Poll::Ready(bytes.take().map(|bytes| Ok(Frame::data(bytes)))),
            Self::Stream { body, .. } => Pin::new(body).poll_frame(context),
        }
    }

    fn is_end_stream(&self) -> bool {
        match self {
            Self::Whole(bytes) => bytes.is_none(),
            Self::Stream { body, .. } => body.is_end_stream(),
        }
    }

    fn size_hint(&self) -> SizeHint {
        match self {
            Self::Whole(bytes) => {
                SizeHint::with_exact(bytes.as_ref().map_or(0, |bytes| bytes.len() as u64))
            }
            Self::Stream { length, body } => {
                length.map_or_else(|| body.size_hint(), SizeHint::with_exact)
            }
        }
    }
}
