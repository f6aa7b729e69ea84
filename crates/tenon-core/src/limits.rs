//! Named limits on what outsiders can make large, each with its reason.

use std::time::Duration;

/// Longest connection id, integration key and provider name, in characters: the wire specification's 255.
pub const NAME_CHARS: usize = 255;

/// Largest body of a public request: what the reference accepts, so that a whole project deploys in one request.
pub const REQUEST_BODY_BYTES: usize = 75 * 1024 * 1024;

/// Largest body of a webhook that a provider sends: what a task's payload may have (functions.md, 4.3).
pub const INBOUND_BODY_BYTES: usize = 10 * 1024 * 1024;

/// Webhooks of an environment that may wait to be routed or run; more are refused with 429 until the queue is shorter.
pub const INBOUND_WAITING: i64 = 500_000;

/// Webhooks per minute, environment and integration: counted and told (webhooks.md, 2), refused only where the operator
/// sets a limit.
pub const INBOUND_PER_MINUTE: u32 = 4_000;

/// Largest JSON text that an action may return (functions.md, 4.2).
pub const ACTION_OUTPUT_BYTES: usize = 2 * 1024 * 1024;

/// Largest payload of a log message; more is cut (functions.md, 2.7).
pub const LOG_MESSAGE_BYTES: usize = 99_000;

/// Most records in one batch that a function hands over; the worker splits larger ones (records.md, 2).
pub const BATCH_RECORDS: usize = 1_000;

/// Largest batch of records in bytes (records.md, 2).
pub const BATCH_BYTES: usize = 100 * 1024 * 1024;

/// JavaScript heap of one isolate: room for a page of 10 MB parsed several times over, small enough for many isolates.
pub const ISOLATE_HEAP_BYTES: usize = 128 * 1024 * 1024;

/// JavaScript stack of one isolate: deep recursion ends in a `RangeError` long before the thread's own stack does.
pub const ISOLATE_STACK_BYTES: usize = 1024 * 1024;

/// Heap that every isolate may have whatever its neighbours take: an ordinary run with a page of an API in its hands.
pub const ISOLATE_HEAP_SHARE_BYTES: usize = 4 * 1024 * 1024;

/// What the isolates of one worker process may have beyond their shares, together: eight runs at their own limit. With the
/// shares of a full worker this is the most that its heaps can take.
pub const WORKER_HEAPS_BYTES: usize = 1024 * 1024 * 1024;

/// Memory of a worker process, whatever it is for: its heaps, and as much again for answers on their way, bytecode and
/// stacks. Beyond this the system refuses; only native code that was taken over gets there.
pub const WORKER_MEMORY_BYTES: u64 = 6 * 1024 * 1024 * 1024;

/// Longest run of a sync (functions.md, 4.3).
pub const SYNC_RUN: Duration = Duration::from_secs(24 * 3600);

/// Longest run of an action (functions.md, 4.3).
pub const ACTION_RUN: Duration = Duration::from_secs(15 * 60);

/// Longest run of a webhook function (functions.md, 4.3).
pub const WEBHOOK_RUN: Duration = Duration::from_secs(3600);

/// Longest run of an on-event function (functions.md, 4.3).
pub const ON_EVENT_RUN: Duration = Duration::from_secs(5 * 60);

/// Longest stretch of JavaScript without a pause for I/O before the run is ended: nothing useful computes this long,
/// an endless loop does.
pub const BUSY_JAVASCRIPT: Duration = Duration::from_secs(60);

/// A token is refreshed this long before it expires, unless its provider says otherwise (auth-and-proxy.md, 7).
pub const REFRESH_MARGIN: Duration = Duration::from_secs(15 * 60);

/// Token requests that one node has under way for one integration: enough for a hundred and more refreshes a second, few
/// enough that a fleet that expires in one minute does not run into the limits of its provider.
pub const TOKEN_REQUESTS: usize = 32;

/// Redirects that an outgoing request follows (auth-and-proxy.md, 10.5).
pub const REDIRECTS: u32 = 5;

/// Most headers of an outgoing request or of its answer: real APIs stay below a hundred.
pub const HTTP_HEADERS: usize = 256;

/// Most bytes of a message head, in both directions: servers commonly stop at 8 to 64 KiB.
pub const HTTP_HEAD_BYTES: usize = 128 * 1024;

/// Longest wait for a TCP connection and the TLS handshake.
pub const CONNECT_TIMEOUT: Duration = Duration::from_secs(15);

/// Longest silence of an external server, before its answer and between two pieces of it; the value of Node's client.
pub const EGRESS_SILENCE: Duration = Duration::from_secs(300);

/// Most bytes out per byte in of a compressed answer. JSON of many equal rows reaches about 100; bombs reach 1,000 and more.
pub const INFLATE_RATIO: u64 = 200;

/// Below this size the ratio does not matter: a small answer harms nobody.
pub const INFLATE_FREE_BYTES: u64 = 8 * 1024 * 1024;

/// Content codings on top of each other; nobody sends more than one on purpose.
pub const CONTENT_CODINGS: usize = 2;

/// Idle connections kept per origin: as many as one busy provider has requests in flight.
pub const IDLE_CONNECTIONS: usize = 256;

/// Connections kept ready for use: at about 2 kB each a few megabytes, and more than one node serves at a time.
pub const REMEMBERED_CONNECTIONS: usize = 4096;

/// Integrations kept ready for use: more than most installations have.
pub const REMEMBERED_INTEGRATIONS: usize = 256;

/// Client certificates whose connections are kept.
pub const CLIENT_IDENTITIES: usize = 64;

/// Longest wait for the answer of a webhook receiver (webhooks.md, 1.2).
pub const DELIVERY_TIMEOUT: Duration = Duration::from_secs(20);

/// Bytes of a webhook receiver's answer that are read: the status is what counts.
pub const DELIVERY_ANSWER_BYTES: u64 = 64 * 1024;

/// Deliveries that one claim takes: enough to pay for its commit, few enough for its lease.
pub const DELIVERY_BATCH: i64 = 256;

/// Requests to one endpoint at a time; each connection's deliveries go one after the other.
pub const DELIVERY_LANES: usize = 32;

/// Endpoints that one node serves at a time.
pub const DELIVERY_ENDPOINTS: usize = 2_048;

/// Days that ended deliveries and events are kept, and can be replayed.
pub const DELIVERY_RETENTION: Duration = Duration::from_secs(30 * 24 * 3600);

/// Most events or deliveries in one page.
pub const PAGE: i64 = 1_000;

/// A page of records ends when it has this many bytes: 10,000 records of an ordinary size fit, 10,000 huge ones would
/// not fit into memory.
pub const RECORDS_PAGE_BYTES: usize = 64 * 1024 * 1024;

/// Most records of a page (records.md, 3.1).
pub const RECORDS_PAGE: usize = 10_000;

/// Longest wait between two attempts of a proxied request, whatever the provider hints.
pub const PROXY_WAIT: Duration = Duration::from_secs(3_600);

/// Most attempts of a proxied request.
pub const PROXY_RETRIES: u32 = 100;

/// A streamed body up to this size is kept in memory, so that it can be sent again; larger ones are sent once.
pub const PROXY_REPLAY_BYTES: usize = 8 * 1024 * 1024;

/// Bytes of an error answer that are looked at for a waiting time.
pub const PROXY_ERROR_BYTES: usize = 64 * 1024;

/// Largest answer that a function gets from `nango.proxy`: it has to fit its heap several times.
pub const PROXY_REPLY_BYTES: u64 = 100 * 1024 * 1024;

/// Answers that one run has asked for and not taken yet, in bytes: beyond this its next ones wait, and one of any size goes
/// alone. Half of its heap, which they have to fit into.
pub const RUN_REPLIES_BYTES: usize = 64 * 1024 * 1024;

/// The same for all runs of an environment on one node: eight runs at their own limit.
pub const ENVIRONMENT_REPLIES_BYTES: usize = 512 * 1024 * 1024;

/// Longest time for one request that proves credentials; somebody waits in front of a form.
pub const VERIFICATION_TIMEOUT: Duration = Duration::from_secs(20);
