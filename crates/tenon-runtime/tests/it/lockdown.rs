//! What a worker can still reach once it is locked down.

use std::process::Command;

#[cfg(target_os = "linux")]
#[test]
fn a_worker_reaches_nothing_outside() {
    let output = Command::new(env!("CARGO_BIN_EXE_tenon-test-worker"))
        .arg("probe")
        .output()
        .unwrap();
    let text = String::from_utf8(output.stdout).unwrap();
    let expected = [
        "complete true",
        "read a file false",
        "list a folder false",
        "write a file false",
        "listen false",
        "connect false",
        "send a datagram false",
        "start a process false",
        "fork false",
        "trace false",
        "signal others false",
        "run written memory false",
        "start a thread true",
    ];
    assert_eq!(
        text.lines().collect::<Vec<_>>(),
        expected,
        "{}",
        String::from_utf8_lossy(&output.stderr)
    );
}
