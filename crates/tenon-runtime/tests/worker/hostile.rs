//! Workers that an attacker has taken over: what they say on their socket is made up.

use std::{
    io::{Read, Write},
    os::{fd::FromRawFd, unix::net::UnixStream},
};

/// Where the host puts the worker's end of the socket.
const SOCKET_FD: i32 = 3;

/// Waits for a run and answers it in the given way.
pub(super) fn run(kind: &str) {
    // SAFETY: the host opened the descriptor for this process.
    let mut socket = unsafe { UnixStream::from_raw_fd(SOCKET_FD) };
    let mut begun = false;
    while let Some(run) = next_run(&mut socket) {
        if run == 0 || (begun && kind != "flood without end") {
            continue;
        }
        begun = true;
        let call: &[u8] = b"\x81\xa4Call\x92\x01\xadGetCheckpoint";
        let done: &[u8] = b"\x81\xa4Done\x81\xa9Succeeded\x91\xc4\x04null";
        match kind {
            "nonsense" => send(&mut socket, run, b"\xc1\xc1\xc1 no message"),
            "endless frame" => {
                let _ = socket.write_all(&[0xff; 64]);
            }
            "half a frame" => {
                let _ = socket.write_all(&[9, 0, 0, 0, 1]);
                return;
            }
            "runs of others" => {
                for other in (run + 1..run + 100).chain([0, u64::MAX]) {
                    send(&mut socket, other, done);
                }
                send(&mut socket, run, b"\xa7Dropped");
            }
            "flood" | "flood without end" => (0..10_000).for_each(|_| send(&mut socket, run, call)),
            "deep nesting" => send(&mut socket, run, &[0x91; 1_000_000]),
            "lying length" => send(
                &mut socket,
                run,
                b"\x81\xa4Done\x81\xa9Succeeded\x91\xc6\xff\xff\xff\xff",
            ),
            "output that is no JSON" => {
                send(
                    &mut socket,
                    run,
                    b"\x81\xa4Done\x81\xa9Succeeded\x91\xc4\x03}{,",
                );
            }
            "leaves" => return,
            _ => {}
        }
    }
}

/// Run number of the next frame.
fn next_run(socket: &mut UnixStream) -> Option<u64> {
    let mut head = [0; 12];
    socket.read_exact(&mut head).ok()?;
    let [a, b, c, d, run @ ..] = head;
    let mut body = vec![0; u32::from_le_bytes([a, b, c, d]) as usize];
    socket.read_exact(&mut body).ok()?;
    Some(u64::from_le_bytes(run))
}

fn send(socket: &mut UnixStream, run: u64, body: &[u8]) {
    let mut frame = (body.len() as u32).to_le_bytes().to_vec();
    frame.extend(run.to_le_bytes());
    frame.extend(body);
    // A host that hangs up has understood.
    let _ = socket.write_all(&frame);
}
