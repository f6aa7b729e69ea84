//! A private Postgres for one test run.

use std::{
    net::TcpListener,
    path::{Path, PathBuf},
    process::Command,
};

use anyhow::{Context, Result, ensure};

use crate::tools;

/// A running cluster in a temporary folder; stopped and removed when dropped.
pub(crate) struct Cluster {
    bin: PathBuf,
    folder: PathBuf,
    port: u16,
}

impl Cluster {
    /// Makes and starts a cluster. As root it runs under the user `postgres`, because the server refuses root.
    pub(crate) fn start() -> Result<Self> {
        let bin = tools::postgres_bin().context("no Postgres server")?;
        let folder = std::env::temp_dir().join(format!("tenon-postgres-{}", std::process::id()));
        std::fs::create_dir_all(&folder)?;
        if tools::is_root() {
            tools::run(Command::new("chown").arg("postgres").arg(&folder))?;
        }
        let port = TcpListener::bind("127.0.0.1:0")?.local_addr()?.port();
        let cluster = Self { bin, folder, port };
        let data = cluster.folder.join("data");
        cluster.call(
            "initdb",
            &[
                "-D",
                text(&data)?,
                "-U",
                "tenon",
                "-A",
                "trust",
                "-N",
                "-E",
                "UTF8",
                "--locale=C",
            ],
        )?;
        let options = format!(
            "-c port={port} -c listen_addresses=127.0.0.1 -c unix_socket_directories={} -c fsync=off \
             -c synchronous_commit=off -c full_page_writes=off -c max_connections=400 -c shared_buffers=128MB",
            cluster.folder.display()
        );
        let log = cluster.folder.join("log");
        cluster.call(
            "pg_ctl",
            &[
                "-D",
                text(&data)?,
                "-l",
                text(&log)?,
                "-o",
                &options,
                "-w",
                "start",
            ],
        )?;
        Ok(cluster)
    }

    /// URL of its maintenance database.
    pub(crate) fn url(&self) -> String {
        format!("postgres://tenon@127.0.0.1:{}/postgres", self.port)
    }

    fn call(&self, program: &str, arguments: &[&str]) -> Result<()> {
        let program = self.bin.join(program);
        let mut command = if tools::is_root() {
            let mut command = Command::new("setpriv");
            command
                .args(["--reuid=postgres", "--regid=postgres", "--clear-groups"])
                .arg(&program);
            command
        } else {
            Command::new(&program)
        };
        let output = command
            .args(arguments)
            .current_dir("/")
            .stdin(std::process::Stdio::null());
        // The server inherits the pipes of pg_ctl: reading them to the end would wait for ever.
        let status = output.stdout(std::process::Stdio::null()).status()?;
        ensure!(
            status.success(),
            "{} ended with {status}",
            program.display()
        );
        Ok(())
    }
}

impl Drop for Cluster {
    fn drop(&mut self) {
        let data = self.folder.join("data");
        if let Ok(data) = text(&data) {
            let _ = self.call("pg_ctl", &["-D", data, "-m", "immediate", "stop"]);
        }
        let _ = std::fs::remove_dir_all(&self.folder);
    }
}

fn text(path: &Path) -> Result<&str> {
    path.to_str().context("temporary folders have plain names")
}
