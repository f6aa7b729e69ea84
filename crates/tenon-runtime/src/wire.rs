//! What host and worker say to each other: frames over one socket.
//!
//! A frame is its length (`u32`), the run it belongs to (`u64`, 0 for none), both little-endian, and a MessagePack body.
//! MessagePack keeps bytes as bytes: response bodies, records and outputs are copied, never encoded.

use std::io::{self, Read};

use bytes::Bytes;
use serde::{Deserialize, Serialize, de::DeserializeOwned};
use tenon_core::{
    function::{
        Entry, FunctionKind, HostCall, HostError, HostReply, RunContext, RunFailure, RunLimits,
    },
    limits,
};

use crate::worker::Lockdown;

/// Number of a run between one host and its workers; never used twice.
pub(crate) type RunId = u64;

/// Number of a call inside its run.
pub(crate) type CallId = u64;

/// Largest frame: the largest batch of records and room for what stands around it.
pub(crate) const FRAME_BYTES: usize = limits::BATCH_BYTES + 8 * 1024 * 1024;

/// Most calls of one run that may wait for the host; the isolate keeps more to itself.
pub(crate) const CALLS_PER_RUN: usize = 128;

/// Length and run number.
pub(crate) const HEAD_BYTES: usize = 12;

/// Answers with bodies of this size are confirmed by [`FromWorker::Taken`]: what is smaller does no harm while it waits for
/// its isolate.
const CONFIRMED_BYTES: usize = 64 * 1024;

/// Whether a worker says that the function has this answer.
pub(crate) fn is_large(reply: &Result<HostReply, HostError>) -> bool {
    matches!(reply, Ok(HostReply::Response(reply)) if reply.body.len() >= CONFIRMED_BYTES)
}

/// From host to worker.
#[derive(Debug, Serialize, Deserialize)]
pub(crate) enum ToWorker {
    /// The first frame.
    Setup {
        threads: usize,
        kept_for_actions: usize,
        /// What isolates may have together beyond their shares.
        heaps_bytes: usize,
    },
    Start(Box<StartRun>),
    Reply {
        call: CallId,
        reply: Result<HostReply, HostError>,
    },
    /// The next call of the run is to fail with `script_aborted`.
    Cancel,
    /// The run is to end now; answered with [`FromWorker::Dropped`].
    Kill,
    /// The worker may drop the compiled bundle: it will be sent again if needed.
    Forget {
        hash: String,
    },
    /// Instead of [`ToWorker::Setup`]: the process compiles this source, answers with [`FromWorker::Compiled`] and ends.
    Compile {
        source: Bytes,
        /// Its name in stacks.
        file: String,
    },
}

/// A bundle on its way to a worker.
#[derive(Debug, Serialize, Deserialize)]
pub(crate) enum SentCode {
    Source(Bytes),
    /// Made of the source by a process that did nothing else.
    Bytecode(Bytes),
}

/// A run to do.
#[derive(Debug, Serialize, Deserialize)]
pub(crate) struct StartRun {
    pub(crate) kind: FunctionKind,
    pub(crate) hash: String,
    /// The bundle, if this worker does not have it.
    pub(crate) code: Option<SentCode>,
    pub(crate) entry: Entry,
    pub(crate) context: RunContext,
    pub(crate) limits: RunLimits,
}

/// From worker to host.
#[derive(Debug, Serialize, Deserialize)]
pub(crate) enum FromWorker {
    /// The worker has locked itself down, as far as it could, and waits for runs.
    Ready {
        lockdown: Lockdown,
    },
    Call {
        call: CallId,
        host_call: HostCall,
    },
    Done(Ending),
    /// Nothing, if the source does not compile.
    Compiled {
        bytecode: Option<Bytes>,
    },
    /// The function has a large answer: see [`is_large`].
    Taken {
        call: CallId,
    },
    /// The worker has dropped the run, as [`ToWorker::Kill`] asked, or never had it.
    Dropped,
    /// The worker has so little memory left for its isolates that new runs are better off in another one.
    Worn,
    /// A thread of the worker is lost to native code that nothing interrupts: the worker is to be given no more runs.
    Stuck,
}

/// How a run ended, as its worker saw it.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub(crate) enum Ending {
    Succeeded { output: Bytes },
    Failed(Box<RunFailure>),
}

/// Why a frame was not made or not understood.
#[derive(Debug, thiserror::Error)]
pub(crate) enum WireError {
    #[error("a frame of {0} bytes is larger than the {FRAME_BYTES} bytes allowed")]
    TooLarge(usize),
    #[error("frame could not be encoded")]
    Encode(#[from] rmp_serde::encode::Error),
    #[error("frame could not be decoded")]
    Decode(#[from] rmp_serde::decode::Error),
}

/// Name of a function's file in stacks.
pub(crate) fn file_name(function: &str) -> String {
    format!("{function}.js")
}

/// A whole frame, ready to be written.
pub(crate) fn frame<T: Serialize>(run: RunId, message: &T) -> Result<Vec<u8>, WireError> {
    let mut bytes = vec![0; HEAD_BYTES];
    rmp_serde::encode::write(&mut bytes, message)?;
    let body = bytes.len() - HEAD_BYTES;
    let length = u32::try_from(body)
        .ok()
        .filter(|_| body <= FRAME_BYTES)
        .ok_or(WireError::TooLarge(body))?;
    bytes[..4].copy_from_slice(&length.to_le_bytes());
    bytes[4..HEAD_BYTES].copy_from_slice(&run.to_le_bytes());
    Ok(bytes)
}

/// The length of a body and the run it belongs to.
pub(crate) fn head(bytes: [u8; HEAD_BYTES]) -> Result<(usize, RunId), WireError> {
    let [a, b, c, d, run @ ..] = bytes;
    let length = u32::from_le_bytes([a, b, c, d]) as usize;
    if length > FRAME_BYTES {
        return Err(WireError::TooLarge(length));
    }
    Ok((length, RunId::from_le_bytes(run)))
}

/// The message of a body.
pub(crate) fn decode<T: DeserializeOwned>(body: &[u8]) -> Result<T, WireError> {
    Ok(rmp_serde::from_slice(body)?)
}

/// Reads one frame; `None` at the end of the stream.
pub(crate) fn read(stream: &mut impl Read) -> io::Result<Option<(RunId, ToWorker)>> {
    let mut start = [0; HEAD_BYTES];
    match stream.read_exact(&mut start) {
        Ok(()) => {}
        Err(error) if error.kind() == io::ErrorKind::UnexpectedEof => return Ok(None),
        Err(error) => return Err(error),
    }
    let (length, run) = head(start).map_err(io::Error::other)?;
    let mut body = vec![0; length];
    stream.read_exact(&mut body)?;
    Ok(Some((run, decode(&body).map_err(io::Error::other)?)))
}

#[cfg(test)]
mod tests {
    use serde_json::json;
    use tenon_core::function::{HttpReply, RecordInput};

    use super::*;

    fn there_and_back<T: Serialize + DeserializeOwned>(message: &T) -> T {
        let bytes = frame(7, message).unwrap();
        let (length, run) = head(bytes[..HEAD_BYTES].try_into().unwrap()).unwrap();
        assert_eq!((length, run), (bytes.len() - HEAD_BYTES, 7));
        decode(&bytes[HEAD_BYTES..]).unwrap()
    }

    #[test]
    fn values_and_bytes_survive_the_way() {
        let records = vec![RecordInput {
            id: "1".into(),
            json: Bytes::from_static(b"{\"a\":1}"),
        }];
        let call = FromWorker::Call {
            call: 3,
            host_call: HostCall::BatchSave {
                model: "Ticket".into(),
                records: records.clone(),
            },
        };
        let FromWorker::Call {
            call: 3,
            host_call: HostCall::BatchSave { records: back, .. },
        } = there_and_back(&call)
        else {
            panic!("another message came back");
        };
        assert_eq!(back, records);

        let value = json!({"z": 1, "a": [null, -1, 1.5, u64::MAX, "é"], "__proto__": {}});
        let reply = ToWorker::Reply {
            call: 1,
            reply: Ok(HostReply::Json(value.clone())),
        };
        let ToWorker::Reply {
            reply: Ok(HostReply::Json(back)),
            ..
        } = there_and_back(&reply)
        else {
            panic!("another message came back");
        };
        assert_eq!(back.to_string(), value.to_string());
    }

    #[test]
    fn bodies_are_not_encoded() {
        let body = Bytes::from(vec![200_u8; 100_000]);
        let reply = HttpReply {
            body: body.clone(),
            ..HttpReply::default()
        };
        let message = ToWorker::Reply {
            call: 1,
            reply: Ok(HostReply::Response(Box::new(reply))),
        };
        assert!(frame(1, &message).unwrap().len() < 100_200);
    }

    #[test]
    fn frames_above_the_limit_are_refused() {
        let mut bytes = [0; HEAD_BYTES];
        bytes[..4].copy_from_slice(&u32::MAX.to_le_bytes());
        assert!(matches!(head(bytes), Err(WireError::TooLarge(_))));
    }
}
