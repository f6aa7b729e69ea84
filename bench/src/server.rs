//! Processes that a case needs, stopped when dropped.

use std::{
    io::{BufRead, BufReader},
    net::TcpListener,
    path::{Path, PathBuf},
    process::{Child, Command, Stdio},
    time::{Duration, Instant},
};

use anyhow::{Context, Result, bail};
use serde_json::Value;

use crate::http::{Answer, Client, request};

/// A child process that ends with its owner.
pub(crate) struct Process(Child);

impl Drop for Process {
    fn drop(&mut self) {
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

/// Starts this program again in another role; returns its address.
pub(crate) fn own(arguments: &[&str]) -> Result<(Process, String)> {
    let mut child = Command::new(std::env::current_exe()?)
        .args(arguments)
        .stdout(Stdio::piped())
        .spawn()?;
    let output = child.stdout.take().context("the output was asked for")?;
    let process = Process(child);
    let mut address = String::new();
    BufReader::new(output).read_line(&mut address)?;
    Ok((process, address.trim().to_owned()))
}

/// Where a Tenon keeps its data: a folder, and a database of Postgres if it is not in there.
pub(crate) struct Place {
    folder: tempfile::TempDir,
    database: Option<String>,
}

impl Place {
    /// An empty folder with a provider file of this text.
    pub(crate) fn new(providers: &str, database: Option<&str>) -> Result<Self> {
        let folder = tempfile::tempdir()?;
        std::fs::write(folder.path().join("providers.yaml"), providers)?;
        Ok(Self {
            folder,
            database: database.map(str::to_owned),
        })
    }

    pub(crate) fn data(&self) -> PathBuf {
        self.folder.path().join("data")
    }

    pub(crate) fn database(&self) -> Option<&str> {
        self.database.as_deref()
    }

    /// Starts the binary here, with what is here already.
    pub(crate) async fn start(self, binary: &Path) -> Result<Tenon> {
        let port = TcpListener::bind("127.0.0.1:0")?.local_addr()?.port();
        let started = Instant::now();
        let mut command = Command::new(binary);
        command
            .args(["dev", "--no-demo", "--port", &port.to_string()])
            .arg("--data-dir")
            .arg(self.data())
            .arg("--providers")
            .arg(self.folder.path().join("providers.yaml"))
            .current_dir(self.folder.path())
            .env("TENON_LOG", "warn")
            .stdout(Stdio::null());
        if let Some(database) = &self.database {
            command.args(["--database-url", database]);
        }
        let process = Process(command.spawn()?);
        let address = format!("127.0.0.1:{port}");
        let health = request("GET", "/health", &[], b"");
        loop {
            if let Ok(mut client) = Client::connect(&address).await
                && client
                    .send(&health)
                    .await
                    .is_ok_and(|answer| answer.status == 200)
            {
                break;
            }
            if started.elapsed() > Duration::from_secs(20) {
                bail!("{} did not answer within 20 s", binary.display());
            }
            tokio::time::sleep(Duration::from_millis(1)).await;
        }
        let ready = started.elapsed();
        let text = std::fs::read_to_string(self.data().join("dev.json"))?;
        let keys: Value = serde_json::from_str(&text)?;
        let secret = |environment: usize| {
            let key = keys["environments"][environment]["secret_key"].as_str();
            key.map(str::to_owned).context("dev.json has keys")
        };
        Ok(Tenon {
            process,
            address,
            secret: secret(0)?,
            other_secret: secret(1)?,
            ready,
            place: self,
        })
    }
}

/// A running Tenon.
pub(crate) struct Tenon {
    process: Process,
    pub(crate) address: String,
    pub(crate) secret: String,
    /// Key of another environment of the same server.
    pub(crate) other_secret: String,
    /// From start of the process to its first answer.
    pub(crate) ready: Duration,
    place: Place,
}

impl Tenon {
    /// Starts the binary in an empty folder; `providers` is the text of a provider file.
    pub(crate) async fn start(binary: &Path, providers: &str) -> Result<Self> {
        Place::new(providers, None)?.start(binary).await
    }

    /// Ends the process; its data stays.
    pub(crate) fn stop(self) -> Place {
        self.place
    }

    /// A call of the API; any other status than 2xx is an error.
    pub(crate) async fn call(
        &self,
        method: &str,
        path: &str,
        headers: &[(&str, &str)],
        body: &Value,
    ) -> Result<Value> {
        let authorization = format!("Bearer {}", self.secret);
        let mut all = vec![("authorization", authorization.as_str())];
        let body = if body.is_null() {
            Vec::new()
        } else {
            body.to_string().into_bytes()
        };
        if !body.is_empty() {
            all.push(("content-type", "application/json"));
        }
        all.extend_from_slice(headers);
        let mut client = Client::connect(&self.address).await?;
        let Answer { status, body } = client.send(&request(method, path, &all, &body)).await?;
        if !(200..300).contains(&status) {
            bail!(
                "{method} {path}: {status} {}",
                String::from_utf8_lossy(&body)
            );
        }
        Ok(if body.is_empty() {
            Value::Null
        } else {
            serde_json::from_slice(&body)?
        })
    }

    /// Memory of the server and its workers in bytes; pages that they share count once (PSS).
    pub(crate) fn memory(&self) -> Result<u64> {
        let mut total = 0;
        for pid in self.processes()? {
            total += field(&format!("/proc/{pid}/smaps_rollup"), "Pss:").unwrap_or(0) * 1024;
        }
        Ok(total)
    }

    /// Processor time that the server and its workers have used so far, those that have left included.
    pub(crate) fn processor_time(&self) -> Result<Duration> {
        let mut ticks = 0;
        for pid in self.processes()? {
            let text = std::fs::read_to_string(format!("/proc/{pid}/stat")).unwrap_or_default();
            // The name of the program may hold anything but ends with the last bracket.
            let Some((_, fields)) = text.rsplit_once(')') else {
                continue;
            };
            let own_and_of_children = fields.split_whitespace().skip(11).take(4);
            ticks += own_and_of_children
                .filter_map(|field| field.parse::<u64>().ok())
                .sum::<u64>();
        }
        Ok(Duration::from_millis(ticks * 10))
    }

    fn processes(&self) -> Result<Vec<String>> {
        let root = self.process.0.id().to_string();
        let mut found = Vec::new();
        for entry in std::fs::read_dir("/proc")?.flatten() {
            let pid = entry.file_name().to_string_lossy().into_owned();
            let parent =
                field(&format!("/proc/{pid}/status"), "PPid:").map(|parent| parent.to_string());
            if pid == root || parent.as_deref() == Some(root.as_str()) {
                found.push(pid);
            }
        }
        Ok(found)
    }
}

/// A number of a file of `/proc`.
fn field(file: &str, name: &str) -> Option<u64> {
    let text = std::fs::read_to_string(file).ok()?;
    text.lines().find_map(|line| {
        line.strip_prefix(name)?
            .split_whitespace()
            .next()?
            .parse()
            .ok()
    })
}
