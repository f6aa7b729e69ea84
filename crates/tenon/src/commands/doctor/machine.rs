//! What a server needs of this machine: its data directory, port, database, key, clock, way out.

use std::{
    fs,
    net::TcpListener,
    os::unix::fs::MetadataExt as _,
    path::{Path, PathBuf},
    time::Duration,
};

use rustix::{
    fs::Access,
    process::{Resource, getrlimit},
};
use tenon_core::clock::Clock as _;
use tenon_engine::egress::{Egress, EgressPolicy, EgressRequest};
use tenon_engine::time::SystemClock;
use tenon_store::{parse_instance_key, parse_instance_keys};
use tokio::net::TcpStream;
use url::Url;

use super::{Finding, State};
use crate::{
    config::{Config, InstanceKeyPlace},
    server::provider_files,
};

/// Less free space than this fills up in a day of syncs.
const LOW_SPACE_BYTES: u64 = 1 << 30;

/// Fewer open files than this are too few for a thousand callers.
const FEW_FILES: u64 = 1_024;

/// Longest wait for something on the network.
const PATIENCE: Duration = Duration::from_secs(5);

/// A clock before this is not set: this program was made later.
const MADE_MS: i64 = 1_767_225_600_000;

/// An address that answers from everywhere and is reserved for examples.
const OUTSIDE: &str = "https://example.com/";

pub(super) async fn look(config: &Config) -> Vec<Finding> {
    let mut findings = vec![data_dir(&config.data_dir)];
    let running = is_running(&config.data_dir);
    findings.push(port(config, running));
    findings.push(database(config).await);
    findings.push(key(config));
    findings.extend(provider_files(config));
    findings.push(clock());
    findings.push(files());
    findings.push(outside().await);
    findings
}

/// Nothing where there are none.
fn provider_files(config: &Config) -> Option<Finding> {
    const WHAT: &str = "provider files";
    let count = config.providers.len();
    if count == 0 {
        return None;
    }
    Some(match provider_files::load(&config.providers) {
        Ok(_) => Finding::new(State::Ok, WHAT, format!("{count} read")),
        Err(problem) => {
            let advice = "`tenon providers lint FILE` names everything; until then the entries from before stay in use";
            Finding::new(State::Fail, WHAT, format!("{problem:#}")).advice(advice)
        }
    })
}

fn data_dir(path: &Path) -> Finding {
    const WHAT: &str = "data directory";
    let shown = path.display();
    let Ok(metadata) = fs::metadata(path) else {
        let parent = path
            .parent()
            .filter(|parent| !parent.as_os_str().is_empty());
        let parent = parent.map_or_else(|| PathBuf::from("."), Path::to_owned);
        return if is_writable(&parent) || !parent.exists() {
            Finding::new(
                State::Note,
                WHAT,
                format!("`{shown}` is made at the first start"),
            )
        } else {
            Finding::new(State::Fail, WHAT, format!("`{shown}` cannot be made")).advice(
                "make it, give it to the user of the server, or choose another with --data-dir",
            )
        };
    };
    if !metadata.is_dir() {
        return Finding::new(State::Fail, WHAT, format!("`{shown}` is no folder"))
            .advice("choose another with --data-dir");
    }
    if !is_writable(path) {
        return Finding::new(State::Fail, WHAT, format!("`{shown}` cannot be written to"))
            .advice("give it to the user of the server: chown -R USER, chmod 700");
    }
    if metadata.mode() & 0o077 != 0 {
        return Finding::new(
            State::Warn,
            WHAT,
            format!("others on this machine may read `{shown}`"),
        )
        .advice(format!("chmod 700 {shown}"));
    }
    match free_bytes(path) {
        Some(free) if free < LOW_SPACE_BYTES => Finding::new(
            State::Warn,
            WHAT,
            format!("`{shown}` has {} MB left", free >> 20),
        )
        .advice("make room: a full disk stops every write"),
        Some(free) => Finding::new(
            State::Ok,
            WHAT,
            format!("`{shown}`, {} GB free", free >> 30),
        ),
        None => Finding::new(State::Ok, WHAT, format!("`{shown}`")),
    }
}

fn is_writable(path: &Path) -> bool {
    rustix::fs::access(path, Access::WRITE_OK | Access::EXEC_OK).is_ok()
}

fn free_bytes(path: &Path) -> Option<u64> {
    let found = rustix::fs::statvfs(path).ok()?;
    Some(found.f_bavail.saturating_mul(found.f_frsize))
}

/// Whether a server holds the data directory.
fn is_running(data_dir: &Path) -> bool {
    let file = fs::File::options()
        .read(true)
        .write(true)
        .open(data_dir.join("node"));
    file.is_ok_and(|file| file.try_lock().is_err())
}

fn port(config: &Config, running: bool) -> Finding {
    const WHAT: &str = "port";
    let port = config.port;
    match (TcpListener::bind((config.host.as_str(), port)), running) {
        (Ok(_), false) => Finding::new(State::Ok, WHAT, format!("{port} is free")),
        (Ok(_), true) => Finding::new(
            State::Warn,
            WHAT,
            format!("a server uses this data directory, but not port {port}"),
        )
        .advice("its own port is in its flags or tenon.toml; pass the same here"),
        (Err(_), true) => Finding::new(
            State::Ok,
            WHAT,
            format!("{port} is used by the server of this data directory"),
        ),
        (Err(error), false) if error.kind() == std::io::ErrorKind::AddrInUse => Finding::new(
            State::Warn,
            WHAT,
            format!("{port} is used by another program"),
        )
        .advice("stop it, or choose another with --port"),
        (Err(error), false) => Finding::new(
            State::Fail,
            WHAT,
            format!("{}:{port}: {error}", config.host),
        )
        .advice("ports below 1024 need privileges; --host must be an address of this machine"),
    }
}

async fn database(config: &Config) -> Finding {
    const WHAT: &str = "database";
    let Some(url) = &config.database_url else {
        let path = config.data_dir.join("tenon.db");
        return sqlite(&path);
    };
    let parsed = Url::parse(url.expose()).ok();
    let host = parsed
        .as_ref()
        .and_then(Url::host_str)
        .unwrap_or_default()
        .to_owned();
    let port = parsed.as_ref().and_then(Url::port).unwrap_or(5432);
    if host.is_empty() || host.starts_with("%2") {
        return Finding::new(
            State::Note,
            WHAT,
            "Postgres over a socket; the server checks it when it starts",
        );
    }
    let connecting = tokio::time::timeout(PATIENCE, TcpStream::connect((host.as_str(), port)));
    match connecting.await {
        Ok(Ok(_)) => Finding::new(
            State::Ok,
            WHAT,
            format!("Postgres at {host}:{port} answers"),
        ),
        Ok(Err(error)) => Finding::new(
            State::Fail,
            WHAT,
            format!("Postgres at {host}:{port}: {error}"),
        )
        .advice("start it, or correct database_url"),
        Err(_) => Finding::new(
            State::Fail,
            WHAT,
            format!("Postgres at {host}:{port} does not answer"),
        )
        .advice("is a firewall in between?"),
    }
}

fn sqlite(path: &Path) -> Finding {
    const WHAT: &str = "database";
    const BEGINNING: &[u8] = b"SQLite format 3\0";
    let shown = path.display();
    let Ok(mut file) = fs::File::open(path) else {
        return Finding::new(
            State::Note,
            WHAT,
            format!("SQLite; `{shown}` is made at the first start"),
        );
    };
    let mut beginning = [0; 16];
    let read = std::io::Read::read_exact(&mut file, &mut beginning);
    if read.is_err() || beginning != BEGINNING {
        return Finding::new(
            State::Fail,
            WHAT,
            format!("`{shown}` is no SQLite database"),
        )
        .advice("restore it from a backup, or move it away to begin anew");
    }
    let size = file.metadata().map_or(0, |metadata| metadata.len());
    Finding::new(
        State::Ok,
        WHAT,
        format!("SQLite, `{shown}`, {} MB", size.div_ceil(1 << 20)),
    )
}

fn key(config: &Config) -> Finding {
    const WHAT: &str = "instance key";
    let elsewhere = |place: &str| Finding::new(State::Ok, WHAT, place.to_owned());
    let path = match &config.instance_key {
        InstanceKeyPlace::File(None) => config.data_dir.join("instance.key"),
        InstanceKeyPlace::File(Some(file)) => file.clone(),
        InstanceKeyPlace::Given(key) => {
            return match parse_instance_key(key.expose()) {
                Ok(_) => elsewhere("from the configuration"),
                Err(error) => Finding::new(State::Fail, WHAT, error.to_string())
                    .advice("make one: head -c 32 /dev/urandom | base64"),
            };
        }
        InstanceKeyPlace::Command(_) => return elsewhere("from a command, at each start"),
        InstanceKeyPlace::Vault(_) => return elsewhere("wrapped by a Vault key"),
        InstanceKeyPlace::AwsKms(_) => return elsewhere("wrapped by an AWS KMS key"),
    };
    let shown = path.display();
    let text = match fs::read_to_string(&path) {
        Ok(text) => text,
        Err(_) if config.data_dir.join("tenon.db").exists() || config.database_url.is_some() => {
            return Finding::new(State::Warn, WHAT, format!("`{shown}` is not there"))
                .advice("a database that has one cannot be opened without it: restore it, or set TENON_ENCRYPTION_KEY");
        }
        Err(_) => {
            return Finding::new(
                State::Note,
                WHAT,
                format!("`{shown}` is made at the first start"),
            )
            .advice("keep a copy of it with your backups: without it they cannot be read");
        }
    };
    if !parse_instance_keys(&text).is_ok_and(|keys| !keys.is_empty()) {
        return Finding::new(State::Fail, WHAT, format!("`{shown}` holds no key"))
            .advice("restore it from a backup");
    }
    let open = fs::metadata(&path).is_ok_and(|metadata| metadata.mode() & 0o077 != 0);
    if open {
        return Finding::new(
            State::Warn,
            WHAT,
            format!("others on this machine may read `{shown}`"),
        )
        .advice(format!("chmod 600 {shown}"));
    }
    Finding::new(State::Ok, WHAT, format!("`{shown}`"))
        .advice("keep a copy of it with your backups: without it they cannot be read")
}

fn clock() -> Finding {
    let now = SystemClock::new().now();
    if now.millis() < MADE_MS {
        return Finding::new(
            State::Fail,
            "clock",
            format!("it is {} here", now.iso_millis()),
        )
        .advice("set the clock: tokens and schedules depend on it");
    }
    Finding::new(State::Ok, "clock", now.iso_millis())
}

fn files() -> Finding {
    match getrlimit(Resource::Nofile).current {
        Some(files) if files < FEW_FILES => {
            Finding::new(State::Warn, "open files", format!("at most {files}"))
                .advice("ulimit -n 65536, or LimitNOFILE=65536 in the unit file")
        }
        Some(files) => Finding::new(State::Ok, "open files", format!("at most {files}")),
        None => Finding::new(State::Ok, "open files", "as many as one likes"),
    }
}

async fn outside() -> Finding {
    const WHAT: &str = "way out";
    let egress = Egress::new(EgressPolicy::default());
    let Ok(request) = EgressRequest::to(reqwest::Method::HEAD, OUTSIDE) else {
        return Finding::new(State::Note, WHAT, "was not tried");
    };
    match tokio::time::timeout(PATIENCE, egress.send(request)).await {
        Ok(Ok(_)) => Finding::new(State::Ok, WHAT, format!("{OUTSIDE} answers")),
        Ok(Err(error)) => Finding::new(State::Note, WHAT, format!("offline, it seems: {error}"))
            .advice(
                "fine for development with `tenon simulate`; providers need names and port 443",
            ),
        Err(_) => Finding::new(State::Note, WHAT, format!("{OUTSIDE} does not answer")).advice(
            "fine for development with `tenon simulate`; providers need names and port 443",
        ),
    }
}
