//! A real server in development beside a test, and how the test speaks with it.

use std::{
    io::{Read as _, Write as _},
    net::TcpStream,
};

use serde_json::Value;

use crate::{
    offline::{Running, free_port},
    project::Project,
};

pub(crate) struct Server {
    pub(crate) project: Project,
    address: String,
    key: String,
    _process: Running,
}

impl Server {
    /// `tenon dev` in a folder with what `write` puts there. A manifest comes with [`Server::deploy`]: the server would
    /// deploy at once, before there are integrations.
    pub(crate) fn start(write: impl FnOnce(&Project)) -> Self {
        let project = Project::empty();
        write(&project);
        let port = free_port();
        let flags = ["dev", "--port", &port, "--connect-port", "0", "--no-demo"];
        let mut process = Running::start(project.tenon(&flags));
        process.line_with("is ready");
        let dev = std::fs::read_to_string(project.root().join(".tenon/dev.json")).unwrap();
        let dev: Value = serde_json::from_str(&dev).unwrap();
        let environments = dev["environments"].as_array().unwrap();
        let dev = environments.iter().find(|one| one["name"] == "dev");
        let key = dev.unwrap()["secret_key"].as_str().unwrap().to_owned();
        Self {
            project,
            address: format!("127.0.0.1:{port}"),
            key,
            _process: process,
        }
    }

    /// Deploys the functions of this manifest.
    pub(crate) fn deploy(&self, manifest: &str) {
        self.project.write("index.ts", manifest);
        let ran = self.project.run(&["deploy"]);
        assert_eq!(ran.code, 0, "{ran:?}");
    }

    /// Status and JSON of an answer.
    pub(crate) fn ask(
        &self,
        method: &str,
        path: &str,
        headers: &[(&str, &str)],
        body: &str,
    ) -> (u16, Value) {
        let mut lines = vec![
            format!("{method} {path} HTTP/1.1"),
            format!("host: {}", self.address),
            format!("authorization: Bearer {}", self.key),
            "content-type: application/json".to_owned(),
            format!("content-length: {}", body.len()),
            "connection: close".to_owned(),
        ];
        lines.extend(
            headers
                .iter()
                .map(|(name, value)| format!("{name}: {value}")),
        );
        let request = format!("{}\r\n\r\n{body}", lines.join("\r\n"));
        let mut stream = TcpStream::connect(&self.address).unwrap();
        stream.write_all(request.as_bytes()).unwrap();
        let mut answer = String::new();
        stream.read_to_string(&mut answer).unwrap();
        let (head, body) = answer.split_once("\r\n\r\n").unwrap();
        let status = head.split(' ').nth(1).unwrap().parse().unwrap();
        (status, serde_json::from_str(body).unwrap_or(Value::Null))
    }

    pub(crate) fn post(&self, path: &str, headers: &[(&str, &str)], body: &Value) -> (u16, Value) {
        self.ask("POST", path, headers, &body.to_string())
    }
}
