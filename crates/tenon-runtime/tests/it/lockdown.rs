//! What a worker can still reach once it is locked down.

use std::process::Command;

/// Lines of the probe: what is on, what was tried, what must still work.
fn probed() -> String {
    let output = Command::new(env!("CARGO_BIN_EXE_tenon-test-worker"))
        .arg("probe")
        .output()
        .unwrap();
    let text = String::from_utf8(output.stdout).unwrap();
    assert!(
        output.status.success(),
        "{text}\n{}",
        String::from_utf8_lossy(&output.stderr)
    );
    text
}

/// Whether this kernel offers landlock.
fn has_landlock() -> bool {
    std::fs::read_to_string("/proc/kallsyms")
        .is_ok_and(|symbols| symbols.contains(" __x64_sys_landlock_restrict_self\n"))
}

#[cfg(target_os = "linux")]
#[test]
fn each_part_of_the_lockdown_is_on_seen_from_inside() {
    let text = probed();
    let on: Vec<&str> = text
        .lines()
        .filter_map(|line| line.strip_prefix("on: "))
        .collect();
    assert!(on.contains(&"no_new_privs true"), "{on:?}");
    assert!(on.contains(&"seccomp true"), "{on:?}");
    if has_landlock() {
        assert!(on.contains(&"landlock true"), "{on:?}");
    }
    let still: Vec<&str> = text
        .lines()
        .filter_map(|line| line.strip_prefix("still: "))
        .collect();
    assert_eq!(still, ["thread true", "memory true"]);
}

#[cfg(target_os = "linux")]
#[test]
fn faults_70_whoever_owns_a_worker_process_reaches_nothing_outside() {
    let text = probed();
    let tried: Vec<&str> = text
        .lines()
        .filter(|line| !line.starts_with("on: ") && !line.starts_with("still: "))
        .collect();
    assert!(tried.len() >= 85, "{}", tried.len());
    let through: Vec<&&str> = tried
        .iter()
        .filter(|line| !line.ends_with(": refused"))
        .collect();
    assert!(through.is_empty(), "{through:?}");
}
