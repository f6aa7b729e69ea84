//! The worker that the tests start, a probe that says what a locked-down process can still do, and workers that mean
//! harm to their host.

#![expect(
    unsafe_code,
    reason = "the probe makes system calls that a worker must not be able to make"
)]

mod hostile;
#[cfg(target_os = "linux")]
mod probe;

fn main() {
    let arguments: Vec<String> = std::env::args().collect();
    match arguments.get(1).map(String::as_str) {
        #[cfg(target_os = "linux")]
        Some("probe") => probe::run(),
        Some("hostile") => hostile::run(arguments.get(2).map_or("", String::as_str)),
        _ => tenon_runtime::worker::main(),
    }
}
