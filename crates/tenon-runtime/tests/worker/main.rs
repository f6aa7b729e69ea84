//! The worker that the tests start, and a probe that says what a locked-down process can still do.

#![expect(
    unsafe_code,
    reason = "the probe makes system calls that a worker must not be able to make"
)]

fn main() {
    if std::env::args().nth(1).as_deref() == Some("probe") {
        probe::run();
        return;
    }
    tenon_runtime::worker::main()
}

mod probe {
    use std::{fs, io::Write, net, process, thread};

    /// Locks down, tries to get out in every way, and writes one line for each to standard output.
    #[expect(clippy::print_stdout, reason = "the test reads the lines")]
    pub(super) fn run() {
        let mut out = std::io::stdout();
        let lockdown = tenon_runtime::worker::lock_down();
        println!("complete {}", lockdown.is_complete());
        println!("read a file {}", fs::read("/etc/passwd").is_ok());
        println!("list a folder {}", fs::read_dir("/").is_ok());
        println!(
            "write a file {}",
            fs::write("/tmp/tenon-probe", "x").is_ok()
        );
        println!("listen {}", net::TcpListener::bind("127.0.0.1:0").is_ok());
        println!(
            "connect {}",
            net::TcpStream::connect("127.0.0.1:1")
                .err()
                .is_none_or(|error| error.kind() == std::io::ErrorKind::ConnectionRefused)
        );
        println!(
            "send a datagram {}",
            net::UdpSocket::bind("127.0.0.1:0").is_ok()
        );
        println!(
            "start a process {}",
            process::Command::new("/bin/true").status().is_ok()
        );
        // SAFETY: the child, if there is one, leaves at once; the other calls change nothing when they are refused.
        unsafe {
            let child = libc::fork();
            if child == 0 {
                libc::_exit(0);
            }
            println!("fork {}", child > 0);
            println!(
                "trace {}",
                libc::ptrace(libc::PTRACE_ATTACH, libc::getppid(), 0, 0) == 0
            );
            println!("signal others {}", libc::kill(libc::getppid(), 0) == 0);
            let page = libc::mmap(
                std::ptr::null_mut(),
                4096,
                libc::PROT_READ | libc::PROT_WRITE | libc::PROT_EXEC,
                libc::MAP_PRIVATE | libc::MAP_ANONYMOUS,
                -1,
                0,
            );
            println!("run written memory {}", page != libc::MAP_FAILED);
        }
        println!("start a thread {}", thread::spawn(|| 1).join().is_ok());
        let _ = out.flush();
    }
}
