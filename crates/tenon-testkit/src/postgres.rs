//! A Postgres cluster for tests, gone with its process.

use std::{
    net::TcpListener,
    os::unix::{
        fs::{MetadataExt, chown},
        process::CommandExt,
    },
    path::{Path, PathBuf},
    process::{Child, Command, Stdio},
    sync::OnceLock,
    time::Duration,
};

use anyhow::{Context, Result, bail, ensure};

/// The server ends when our end of its standard input closes, however this process ends.
const WATCH: &str = r#"
trap '' INT TERM
"$1/postgres" -D "$2" -p "$3" -h 127.0.0.1 -k '' $4 \
    -c max_connections=300 -c log_min_messages=fatal >"$2/server.log" 2>&1 &
server=$!
read -r _
kill -INT "$server"
wait "$server"
rm -rf "$2"
"#;

/// For tests: nothing has to outlive the machine.
const FLEETING: &str = "-F -c full_page_writes=off -c synchronous_commit=off -c wal_level=minimal \
    -c max_wal_senders=0 -c shared_buffers=64MB";

/// For measurements: Postgres as it comes.
const DURABLE: &str = "";

/// A private cluster on a free port. Stops when dropped, or when the process ends.
#[derive(Debug)]
pub struct PostgresCluster {
    watcher: Child,
    port: u16,
}

impl PostgresCluster {
    /// Makes and starts a cluster without durability, with the newest Postgres installed here. Blocks for about a second.
    pub fn start() -> Result<Self> {
        Self::with(FLEETING)
    }

    /// Like [`PostgresCluster::start`], but what it has committed stays: for measurements.
    pub fn durable() -> Result<Self> {
        Self::with(DURABLE)
    }

    /// Whether there is a Postgres on this machine.
    pub fn is_installed() -> bool {
        binaries().is_some()
    }

    fn with(settings: &str) -> Result<Self> {
        let binaries = binaries().context("no Postgres is installed in /usr/lib/postgresql")?;
        let folder = tempfile::Builder::new()
            .prefix("tenon-postgres-")
            .tempdir()?
            .keep();
        let user = unprivileged_user()?;
        if let Some((uid, gid)) = user {
            chown(&folder, Some(uid), Some(gid))?;
        }
        let initdb = as_user(Command::new(binaries.join("initdb")), user)
            .args(["--auth=trust", "--username=tenon", "--encoding=UTF8"])
            .args(["--locale=C", "--no-sync", "--no-instructions", "-D"])
            .arg(&folder)
            .output()?;
        ensure!(
            initdb.status.success(),
            "initdb failed: {}",
            String::from_utf8_lossy(&initdb.stderr)
        );
        let port = TcpListener::bind("127.0.0.1:0")?.local_addr()?.port();
        let watcher = as_user(Command::new("sh"), user)
            .args(["-c", WATCH, "sh"])
            .arg(&binaries)
            .arg(&folder)
            .arg(port.to_string())
            .arg(settings)
            .stdin(Stdio::piped())
            .stdout(Stdio::null())
            .stderr(Stdio::null())
            .spawn()?;
        let cluster = Self { watcher, port };
        cluster.wait_until_ready(&binaries)?;
        Ok(cluster)
    }

    /// URL of the database `postgres`, as its owner.
    pub fn url(&self) -> String {
        format!("postgres://tenon@127.0.0.1:{}/postgres", self.port)
    }

    fn wait_until_ready(&self, binaries: &Path) -> Result<()> {
        for _ in 0..600 {
            let ready = Command::new(binaries.join("pg_isready"))
                .args(["-q", "-h", "127.0.0.1", "-p", &self.port.to_string()])
                .status()?;
            if ready.success() {
                return Ok(());
            }
            std::thread::sleep(Duration::from_millis(50));
        }
        bail!("Postgres did not start within 30 seconds");
    }
}

impl Drop for PostgresCluster {
    fn drop(&mut self) {
        drop(self.watcher.stdin.take());
        // It cannot be waited for if it was never there.
        let _ = self.watcher.wait();
    }
}

/// The cluster of this test run: `TENON_TEST_POSTGRES_URL`, or one of this process. `None` if there is no Postgres here.
pub(crate) fn shared_url() -> Option<&'static str> {
    static URL: OnceLock<Option<String>> = OnceLock::new();
    static OWN: OnceLock<PostgresCluster> = OnceLock::new();
    URL.get_or_init(|| {
        #[expect(
            clippy::disallowed_methods,
            reason = "tests are configured by the one who starts them"
        )]
        if let Ok(url) = std::env::var("TENON_TEST_POSTGRES_URL") {
            return Some(url);
        }
        match PostgresCluster::start() {
            Ok(cluster) => Some(OWN.get_or_init(|| cluster).url()),
            Err(error) => {
                say_skipped(&error);
                None
            }
        }
    })
    .as_deref()
}

#[expect(clippy::print_stderr, reason = "a test that is skipped says so aloud")]
fn say_skipped(error: &anyhow::Error) {
    eprintln!("\n!!! Tests on Postgres are SKIPPED: {error:#} !!!\n");
}

fn binaries() -> Option<PathBuf> {
    let version = |path: &PathBuf| path.file_name()?.to_str()?.parse::<u32>().ok();
    let installed = std::fs::read_dir("/usr/lib/postgresql").ok()?;
    let newest = installed
        .filter_map(|entry| entry.ok().map(|entry| entry.path()))
        .filter(|path| path.join("bin/initdb").exists())
        .max_by_key(version)?;
    Some(newest.join("bin"))
}

/// Postgres refuses to run as root: the user and group it runs as then.
fn unprivileged_user() -> Result<Option<(u32, u32)>> {
    if std::fs::metadata("/proc/self")?.uid() != 0 {
        return Ok(None);
    }
    let users = std::fs::read_to_string("/etc/passwd")?;
    let find = |name: &str| {
        let line = users
            .lines()
            .find(|line| line.split(':').next() == Some(name))?;
        let mut fields = line.split(':').skip(2);
        Some((fields.next()?.parse().ok()?, fields.next()?.parse().ok()?))
    };
    let user = find("postgres").or_else(|| find("nobody"));
    user.map(Some)
        .context("root cannot run Postgres and there is no user `postgres` or `nobody`")
}

fn as_user(mut command: Command, user: Option<(u32, u32)>) -> Command {
    if let Some((uid, gid)) = user {
        command.uid(uid).gid(gid);
    }
    command.current_dir("/");
    command
}
