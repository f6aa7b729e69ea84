//! What somebody can do who owns the whole process, not only the JavaScript in it.

use std::{fs, io::Write, net, process, thread};

/// System calls that lead out, with arguments that would do no harm if they were let through.
const CALLS: &[(&str, libc::c_long, [i64; 6])] = &[
    ("open a file", libc::SYS_openat, [-100, 0, 0, 0, 0, 0]),
    (
        "open a file, newer",
        libc::SYS_openat2,
        [-100, 0, 0, 0, 0, 0],
    ),
    (
        "open by handle",
        libc::SYS_open_by_handle_at,
        [-100, 0, 0, 0, 0, 0],
    ),
    ("read a link", libc::SYS_readlinkat, [-100, 0, 0, 0, 0, 0]),
    (
        "look at a file",
        libc::SYS_newfstatat,
        [-100, 0, 0, 0, 0, 0],
    ),
    ("make a folder", libc::SYS_mkdirat, [-100, 0, 0, 0, 0, 0]),
    ("make a device", libc::SYS_mknodat, [-100, 0, 0, 0, 0, 0]),
    ("remove a file", libc::SYS_unlinkat, [-100, 0, 0, 0, 0, 0]),
    ("link a file", libc::SYS_linkat, [-100, 0, -100, 0, 0, 0]),
    ("change a mode", libc::SYS_fchmodat, [-100, 0, 0, 0, 0, 0]),
    ("change an owner", libc::SYS_fchownat, [-100, 0, 0, 0, 0, 0]),
    ("change the folder", libc::SYS_chdir, [0, 0, 0, 0, 0, 0]),
    ("change the root", libc::SYS_chroot, [0, 0, 0, 0, 0, 0]),
    ("mount", libc::SYS_mount, [0, 0, 0, 0, 0, 0]),
    (
        "make a file in memory",
        libc::SYS_memfd_create,
        [0, 0, 0, 0, 0, 0],
    ),
    ("watch files", libc::SYS_inotify_init1, [0, 0, 0, 0, 0, 0]),
    ("open a socket", libc::SYS_socket, [2, 1, 0, 0, 0, 0]),
    ("open a raw socket", libc::SYS_socket, [2, 3, 1, 0, 0, 0]),
    (
        "open a socket of the kernel",
        libc::SYS_socket,
        [16, 3, 0, 0, 0, 0],
    ),
    ("open a local socket", libc::SYS_socket, [1, 1, 0, 0, 0, 0]),
    ("open two sockets", libc::SYS_socketpair, [1, 1, 0, 0, 0, 0]),
    ("connect", libc::SYS_connect, [3, 0, 0, 0, 0, 0]),
    ("bind", libc::SYS_bind, [3, 0, 0, 0, 0, 0]),
    ("listen", libc::SYS_listen, [3, 0, 0, 0, 0, 0]),
    ("accept", libc::SYS_accept4, [3, 0, 0, 0, 0, 0]),
    ("pass descriptors", libc::SYS_sendmsg, [3, 0, 0, 0, 0, 0]),
    ("receive descriptors", libc::SYS_recvmsg, [3, 0, 0, 0, 0, 0]),
    (
        "ask who is there",
        libc::SYS_getpeername,
        [3, 0, 0, 0, 0, 0],
    ),
    (
        "set a socket option",
        libc::SYS_setsockopt,
        [3, 1, 1, 0, 0, 0],
    ),
    (
        "become another program",
        libc::SYS_execve,
        [0, 0, 0, 0, 0, 0],
    ),
    (
        "become another program, newer",
        libc::SYS_execveat,
        [-100, 0, 0, 0, 0, 0],
    ),
    (
        "make a process, newer",
        libc::SYS_clone3,
        [0, 0, 0, 0, 0, 0],
    ),
    (
        "make a thread in a new name space",
        libc::SYS_clone,
        [0x1001_0900, 0, 0, 0, 0, 0],
    ),
    ("wait for a process", libc::SYS_wait4, [-1, 0, 1, 0, 0, 0]),
    ("signal a thread", libc::SYS_tgkill, [1, 1, 0, 0, 0, 0]),
    (
        "queue a signal",
        libc::SYS_rt_sigqueueinfo,
        [1, 0, 0, 0, 0, 0],
    ),
    ("hold a process", libc::SYS_pidfd_open, [1, 0, 0, 0, 0, 0]),
    (
        "signal what is held",
        libc::SYS_pidfd_send_signal,
        [0, 0, 0, 0, 0, 0],
    ),
    (
        "take a descriptor of another",
        libc::SYS_pidfd_getfd,
        [0, 0, 0, 0, 0, 0],
    ),
    (
        "read another's memory",
        libc::SYS_process_vm_readv,
        [1, 0, 0, 0, 0, 0],
    ),
    (
        "write another's memory",
        libc::SYS_process_vm_writev,
        [1, 0, 0, 0, 0, 0],
    ),
    ("compare with another", libc::SYS_kcmp, [1, 1, 0, 0, 0, 0]),
    ("raise a limit", libc::SYS_prlimit64, [0, 7, 0, 0, 0, 0]),
    (
        "raise a priority",
        libc::SYS_setpriority,
        [0, 0, 0, 0, 0, 0],
    ),
    ("change user", libc::SYS_setuid, [0, 0, 0, 0, 0, 0]),
    ("change group", libc::SYS_setgid, [0, 0, 0, 0, 0, 0]),
    ("take a capability", libc::SYS_capset, [0, 0, 0, 0, 0, 0]),
    (
        "leave the name space",
        libc::SYS_unshare,
        [0, 0, 0, 0, 0, 0],
    ),
    ("enter a name space", libc::SYS_setns, [0, 0, 0, 0, 0, 0]),
    (
        "change personality",
        libc::SYS_personality,
        [0xffff_ffff, 0, 0, 0, 0, 0],
    ),
    (
        "become dumpable",
        libc::SYS_prctl,
        [libc::PR_SET_DUMPABLE as i64, 1, 0, 0, 0, 0],
    ),
    (
        "outlive the parent",
        libc::SYS_prctl,
        [libc::PR_SET_PDEATHSIG as i64, 0, 0, 0, 0, 0],
    ),
    ("filter again", libc::SYS_seccomp, [0, 0, 0, 0, 0, 0]),
    (
        "run a program in the kernel",
        libc::SYS_bpf,
        [0, 0, 0, 0, 0, 0],
    ),
    (
        "count the processor's events",
        libc::SYS_perf_event_open,
        [0, 0, 0, 0, 0, 0],
    ),
    ("queue calls", libc::SYS_io_uring_setup, [0, 0, 0, 0, 0, 0]),
    ("submit calls", libc::SYS_io_uring_enter, [3, 0, 0, 0, 0, 0]),
    (
        "hold page faults",
        libc::SYS_userfaultfd,
        [0, 0, 0, 0, 0, 0],
    ),
    ("read a key", libc::SYS_keyctl, [0, 0, 0, 0, 0, 0]),
    ("share memory", libc::SYS_shmget, [0, 0, 0, 0, 0, 0]),
    ("load a module", libc::SYS_finit_module, [-1, 0, 0, 0, 0, 0]),
    ("load a kernel", libc::SYS_kexec_load, [0, 0, 0, 0, 0, 0]),
    ("restart the machine", libc::SYS_reboot, [0, 0, 0, 0, 0, 0]),
    ("set the clock", libc::SYS_clock_settime, [0, 0, 0, 0, 0, 0]),
    (
        "name the machine",
        libc::SYS_sethostname,
        [0, 0, 0, 0, 0, 0],
    ),
    (
        "type on the terminal",
        libc::SYS_ioctl,
        [0, 0x5412, 0, 0, 0, 0],
    ),
    (
        "own the signals of the socket",
        libc::SYS_fcntl,
        [3, 8, 1, 0, 0, 0],
    ),
    ("copy a descriptor", libc::SYS_dup, [3, 0, 0, 0, 0, 0]),
    ("make a pipe", libc::SYS_pipe2, [0, 0, 0, 0, 0, 0]),
    (
        "make a timer that signals",
        libc::SYS_timer_create,
        [0, 0, 0, 0, 0, 0],
    ),
    (
        "protect with a key",
        libc::SYS_pkey_mprotect,
        [0, 0, 0, 0, 0, 0],
    ),
];

/// Locks down, tries to get out in every way, and writes one line for each to standard output.
#[expect(clippy::print_stdout, reason = "the test reads the lines")]
pub(super) fn run() {
    let mut out = std::io::stdout();
    let lockdown = tenon_runtime::worker::lock_down();
    println!("on: no_new_privs {}", lockdown.no_new_privs);
    println!("on: landlock {}", lockdown.landlock);
    println!("on: seccomp {}", lockdown.seccomp);
    for (name, number, arguments) in CALLS {
        println!("{name}: {}", answer(*number, *arguments));
    }
    for (name, through) in whole() {
        println!(
            "{name}: {}",
            if through { "let through" } else { "refused" }
        );
    }
    println!("still: thread {}", thread::spawn(|| 1).join().is_ok());
    println!("still: memory {}", vec![1_u8; 64 << 20].len() == 64 << 20);
    let _ = out.flush();
}

/// What the filter says: a call that the kernel looked at fails for another reason than these two.
fn answer(number: libc::c_long, [a, b, c, d, e, f]: [i64; 6]) -> &'static str {
    // SAFETY: the arguments are chosen so that the call changes nothing even where it is let through.
    let result = unsafe { libc::syscall(number, a, b, c, d, e, f) };
    let error = std::io::Error::last_os_error().raw_os_error();
    if result == -1 && matches!(error, Some(libc::EPERM | libc::ENOSYS)) {
        "refused"
    } else {
        "let through"
    }
}

/// The same by the ways of the standard library, and what takes more than one call.
fn whole() -> Vec<(&'static str, bool)> {
    let to_loopback = net::TcpStream::connect("127.0.0.1:1");
    let mut tried = vec![
        ("read the users", fs::read("/etc/passwd").is_ok()),
        ("read own memory", fs::File::open("/proc/self/mem").is_ok()),
        (
            "read the environment of init",
            fs::read("/proc/1/environ").is_ok(),
        ),
        ("read the parent's memory", parent_file("mem")),
        ("list a folder", fs::read_dir("/").is_ok()),
        ("write a file", fs::write("/tmp/tenon-probe", "x").is_ok()),
        ("open a port", net::TcpListener::bind("127.0.0.1:0").is_ok()),
        (
            "reach a port",
            to_loopback
                .err()
                .is_none_or(|error| error.kind() == std::io::ErrorKind::ConnectionRefused),
        ),
        (
            "send a datagram",
            net::UdpSocket::bind("127.0.0.1:0").is_ok(),
        ),
        (
            "resolve a name",
            net::ToSocketAddrs::to_socket_addrs("example.com:80").is_ok(),
        ),
        (
            "start a program",
            process::Command::new("/bin/true").status().is_ok(),
        ),
    ];
    // SAFETY: a child, if there is one, leaves at once; the other calls change nothing when they are refused.
    unsafe {
        let child = libc::fork();
        if child == 0 {
            libc::_exit(0);
        }
        tried.push(("fork", child > 0));
        let parent = libc::getppid();
        tried.push((
            "trace",
            libc::ptrace(libc::PTRACE_ATTACH, parent, 0, 0) == 0,
        ));
        tried.push(("signal the parent", libc::kill(parent, 0) == 0));
        tried.push(("signal everybody", libc::kill(-1, 0) == 0));
        let page = map(libc::PROT_READ | libc::PROT_WRITE | libc::PROT_EXEC);
        tried.push(("run written memory", page != libc::MAP_FAILED));
        let page = map(libc::PROT_READ | libc::PROT_WRITE);
        let made = libc::mprotect(page, 4096, libc::PROT_READ | libc::PROT_EXEC);
        tried.push(("run memory written before", made == 0));
    }
    tried
}

fn parent_file(name: &str) -> bool {
    // SAFETY: a plain system call.
    let parent = unsafe { libc::getppid() };
    fs::File::open(format!("/proc/{parent}/{name}")).is_ok()
}

unsafe fn map(protection: i32) -> *mut libc::c_void {
    let flags = libc::MAP_PRIVATE | libc::MAP_ANONYMOUS;
    // SAFETY: a fresh mapping.
    unsafe { libc::mmap(std::ptr::null_mut(), 4096, protection, flags, -1, 0) }
}
