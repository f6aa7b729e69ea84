//! What a worker gives up before it runs anything: files, network, other processes.
//!
//! seccomp is the wall: only the system calls that waiting threads, memory and one open socket need are let through.
//! landlock stands behind it, where the kernel has it. On other systems a worker is a plain child process.

use serde::{Deserialize, Serialize};

/// What of the lockdown took hold, as seen from inside: each part is tried before it is called on.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Lockdown {
    /// No program that is started can gain rights.
    pub no_new_privs: bool,
    /// The file system rules.
    pub landlock: bool,
    /// The system call filter.
    pub seccomp: bool,
}

impl Lockdown {
    /// Whether the process can reach nothing outside. Landlock alone would not do.
    pub fn is_complete(self) -> bool {
        self.no_new_privs && self.seccomp
    }
}

/// Gives up what a worker does not need. To be called while the process has one thread.
pub fn lock_down() -> Lockdown {
    #[cfg(all(
        target_os = "linux",
        any(target_arch = "x86_64", target_arch = "aarch64")
    ))]
    return linux::lock_down();
    #[cfg(not(all(
        target_os = "linux",
        any(target_arch = "x86_64", target_arch = "aarch64")
    )))]
    Lockdown::default()
}

#[cfg(all(
    target_os = "linux",
    any(target_arch = "x86_64", target_arch = "aarch64")
))]
mod linux {
    use tenon_core::limits;

    use super::Lockdown;
    use crate::worker::SOCKET_FD;

    #[cfg(target_arch = "x86_64")]
    const ARCHITECTURE: u32 = 0xc000_003e;
    #[cfg(target_arch = "aarch64")]
    const ARCHITECTURE: u32 = 0xc000_00b7;

    /// Offsets in `seccomp_data`.
    const NUMBER: u32 = 0;
    const ARCH: u32 = 4;
    const FIRST_ARGUMENT: u32 = 16;
    const THIRD_ARGUMENT: u32 = 32;

    const ALLOW: u32 = libc::SECCOMP_RET_ALLOW;
    const DENY: u32 = libc::SECCOMP_RET_ERRNO | libc::EPERM as u32;
    const ABSENT: u32 = libc::SECCOMP_RET_ERRNO | libc::ENOSYS as u32;
    const KILL: u32 = libc::SECCOMP_RET_KILL_PROCESS;

    /// Let through whatever their arguments are.
    const ALLOWED: &[libc::c_long] = &[
        libc::SYS_read,
        libc::SYS_readv,
        libc::SYS_write,
        libc::SYS_writev,
        libc::SYS_recvfrom,
        libc::SYS_sendto,
        libc::SYS_ppoll,
        libc::SYS_close,
        libc::SYS_futex,
        libc::SYS_munmap,
        libc::SYS_mremap,
        libc::SYS_madvise,
        libc::SYS_brk,
        libc::SYS_set_robust_list,
        libc::SYS_rseq,
        libc::SYS_rt_sigprocmask,
        libc::SYS_rt_sigaction,
        libc::SYS_rt_sigreturn,
        libc::SYS_sigaltstack,
        libc::SYS_restart_syscall,
        libc::SYS_sched_yield,
        libc::SYS_sched_getaffinity,
        libc::SYS_getpid,
        libc::SYS_gettid,
        libc::SYS_getrandom,
        libc::SYS_clock_gettime,
        libc::SYS_clock_getres,
        libc::SYS_clock_nanosleep,
        libc::SYS_nanosleep,
        libc::SYS_gettimeofday,
        libc::SYS_getrusage,
        libc::SYS_membarrier,
        libc::SYS_exit,
        libc::SYS_exit_group,
        #[cfg(target_arch = "x86_64")]
        libc::SYS_poll,
    ];

    /// Let through unless memory would become executable.
    const NEVER_EXECUTABLE: &[libc::c_long] = &[libc::SYS_mmap, libc::SYS_mprotect];

    /// What a new thread shares with its maker; a process would share less.
    const THREAD_FLAGS: u32 = (libc::CLONE_VM | libc::CLONE_THREAD | libc::CLONE_SIGHAND) as u32;

    /// What the C libraries ask for besides; whatever else there is leads into name spaces.
    const HARMLESS_FLAGS: u32 = (libc::CLONE_FS
        | libc::CLONE_FILES
        | libc::CLONE_SYSVSEM
        | libc::CLONE_SETTLS
        | libc::CLONE_PARENT_SETTID
        | libc::CLONE_CHILD_CLEARTID
        | libc::CLONE_DETACHED) as u32;

    pub(super) fn lock_down() -> Lockdown {
        close_others();
        limit_resources();
        // SAFETY: plain calls with constant arguments.
        let no_new_privs = unsafe {
            libc::prctl(libc::PR_SET_DUMPABLE, 0, 0, 0, 0);
            libc::prctl(libc::PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) == 0
                && libc::prctl(libc::PR_GET_NO_NEW_PRIVS, 0, 0, 0, 0) == 1
        };
        if !no_new_privs {
            return Lockdown::default();
        }
        let landlock = restrict_files() && root_is_closed();
        Lockdown {
            no_new_privs,
            landlock,
            seccomp: install(&filter()) && sockets_are_closed(),
        }
    }

    /// Whether even the folder that everybody may read cannot be opened.
    fn root_is_closed() -> bool {
        // SAFETY: the path is a constant; the descriptor, if there is one, is closed.
        unsafe {
            let root = libc::open(c"/".as_ptr(), libc::O_RDONLY | libc::O_DIRECTORY);
            if root >= 0 {
                libc::close(root);
            }
            root < 0
        }
    }

    fn sockets_are_closed() -> bool {
        // SAFETY: the descriptor, if there is one, is closed.
        unsafe {
            let socket = libc::socket(libc::AF_UNIX, libc::SOCK_STREAM, 0);
            if socket >= 0 {
                libc::close(socket);
            }
            socket < 0
        }
    }

    /// Closes every descriptor above the socket's.
    fn close_others() {
        // SAFETY: nothing in this process uses a descriptor above the socket's.
        unsafe { libc::syscall(libc::SYS_close_range, SOCKET_FD + 1, u32::MAX, 0) };
    }

    /// No core files, no files at all, no more descriptors, no more memory than a worker can have use for.
    fn limit_resources() {
        let limits = [
            (libc::RLIMIT_CORE, 0),
            (libc::RLIMIT_FSIZE, 0),
            (libc::RLIMIT_NOFILE, 16),
            (libc::RLIMIT_DATA, limits::WORKER_MEMORY_BYTES),
        ];
        for (resource, most) in limits {
            let limit = libc::rlimit {
                rlim_cur: most,
                rlim_max: most,
            };
            // SAFETY: `limit` is alive during the call.
            unsafe { libc::setrlimit(resource, &raw const limit) };
        }
    }

    const fn statement(code: u32, k: u32) -> libc::sock_filter {
        libc::sock_filter {
            code: code as u16,
            jt: 0,
            jf: 0,
            k,
        }
    }

    const fn jump(condition: u32, k: u32, yes: u8, no: u8) -> libc::sock_filter {
        libc::sock_filter {
            code: (libc::BPF_JMP | condition | libc::BPF_K) as u16,
            jt: yes,
            jf: no,
            k,
        }
    }

    const fn load(offset: u32) -> libc::sock_filter {
        statement(libc::BPF_LD | libc::BPF_W | libc::BPF_ABS, offset)
    }

    const fn answer(action: u32) -> libc::sock_filter {
        statement(libc::BPF_RET | libc::BPF_K, action)
    }

    /// The program: each check stands for itself, so that one can be read without the others.
    fn filter() -> Vec<libc::sock_filter> {
        let mut program = vec![
            load(ARCH),
            jump(libc::BPF_JEQ, ARCHITECTURE, 1, 0),
            answer(KILL),
            load(NUMBER),
        ];
        for number in ALLOWED {
            program.extend([jump(libc::BPF_JEQ, *number as u32, 0, 1), answer(ALLOW)]);
        }
        for number in NEVER_EXECUTABLE {
            program.extend([
                jump(libc::BPF_JEQ, *number as u32, 0, 4),
                load(THIRD_ARGUMENT),
                jump(libc::BPF_JSET, libc::PROT_EXEC as u32, 0, 1),
                answer(DENY),
                answer(ALLOW),
            ]);
        }
        // Threads yes, processes no; `clone3` hides its flags, so that libc is sent back to `clone`.
        program.extend([
            jump(libc::BPF_JEQ, libc::SYS_clone3 as u32, 0, 1),
            answer(ABSENT),
            jump(libc::BPF_JEQ, libc::SYS_clone as u32, 0, 5),
            load(FIRST_ARGUMENT),
            statement(libc::BPF_ALU | libc::BPF_AND | libc::BPF_K, !HARMLESS_FLAGS),
            jump(libc::BPF_JEQ, THREAD_FLAGS, 0, 1),
            answer(ALLOW),
            answer(DENY),
        ]);
        // The name of a thread and of a mapping, nothing else that `prctl` can do.
        program.extend([
            jump(libc::BPF_JEQ, libc::SYS_prctl as u32, 0, 4),
            load(FIRST_ARGUMENT),
            jump(libc::BPF_JEQ, libc::PR_SET_NAME as u32, 1, 0),
            jump(libc::BPF_JEQ, libc::PR_SET_VMA as u32, 0, 1),
            answer(ALLOW),
            answer(DENY),
        ]);
        program
    }

    fn install(program: &[libc::sock_filter]) -> bool {
        let Ok(length) = u16::try_from(program.len()) else {
            return false;
        };
        let filter = libc::sock_fprog {
            len: length,
            filter: program.as_ptr().cast_mut(),
        };
        // SAFETY: the kernel copies the program during the call.
        unsafe {
            libc::prctl(
                libc::PR_SET_SECCOMP,
                libc::SECCOMP_MODE_FILTER,
                &raw const filter,
            ) == 0
        }
    }

    /// `struct landlock_ruleset_attr` up to the network rules.
    #[repr(C)]
    struct Ruleset {
        files: u64,
        network: u64,
    }

    const LANDLOCK_CREATE: libc::c_long = 444;
    const LANDLOCK_RESTRICT: libc::c_long = 446;
    const LANDLOCK_VERSION: u32 = 1;

    /// Denies every file and, where the kernel can, binding and connecting.
    fn restrict_files() -> bool {
        // SAFETY: asks for the version only.
        let version = unsafe {
            libc::syscall(
                LANDLOCK_CREATE,
                std::ptr::null::<Ruleset>(),
                0_usize,
                LANDLOCK_VERSION,
            )
        };
        let (files, network) = match version {
            i64::MIN..=0 => return false,
            1 => ((1 << 13) - 1, 0),
            2 => ((1 << 14) - 1, 0),
            3 => ((1 << 15) - 1, 0),
            4 => ((1 << 15) - 1, 0b11),
            5.. => ((1 << 16) - 1, 0b11),
        };
        let ruleset = Ruleset { files, network };
        let size = if network == 0 {
            8
        } else {
            size_of::<Ruleset>()
        };
        // SAFETY: `ruleset` is alive during the call; the descriptor is ours and closed here.
        unsafe {
            let descriptor = libc::syscall(LANDLOCK_CREATE, &raw const ruleset, size, 0_u32);
            if descriptor < 0 {
                return false;
            }
            let restricted = libc::syscall(LANDLOCK_RESTRICT, descriptor, 0_u32) == 0;
            libc::close(descriptor as i32);
            restricted
        }
    }
}
