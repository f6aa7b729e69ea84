//! AWS Signature Version 4, for templates (`awsSigV4`) and for the proxy.

use std::fmt::Write as _;

use aws_lc_rs::{digest, hmac};
use percent_encoding::{AsciiSet, NON_ALPHANUMERIC, percent_decode_str, utf8_percent_encode};
use tenon_core::Timestamp;

const UNRESERVED: &AsciiSet = &NON_ALPHANUMERIC
    .remove(b'-')
    .remove(b'_')
    .remove(b'.')
    .remove(b'~');

/// Who signs.
#[derive(Clone, Copy)]
pub struct AwsCredentials<'a> {
    pub access_key_id: &'a str,
    pub secret_access_key: &'a str,
    pub session_token: Option<&'a str>,
}

/// A request to sign. `x-amz-date` and, with a session token, `x-amz-security-token` are signed too and must be sent.
#[derive(Clone, Copy)]
pub struct SigV4<'a> {
    pub credentials: AwsCredentials<'a>,
    pub region: &'a str,
    pub service: &'a str,
    pub method: &'a str,
    pub host: &'a str,
    /// Percent-encoded, as it is sent.
    pub path: &'a str,
    /// Percent-encoded, without `?`.
    pub query: &'a str,
    /// Further headers to sign, lower-case; for instance `content-type` and `x-amz-content-sha256`.
    pub headers: &'a [(&'a str, &'a str)],
    pub body: &'a [u8],
    pub now: Timestamp,
}

impl SigV4<'_> {
    /// The value of `x-amz-date`.
    pub fn date(&self) -> String {
        // 2026-01-02T03:04:05.678Z → 20260102T030405Z
        let iso: String = self
            .now
            .iso_millis()
            .chars()
            .filter(|c| !matches!(c, '-' | ':'))
            .collect();
        format!("{}Z", &iso[..15])
    }

    /// The value of `x-amz-content-sha256`.
    pub fn content_sha256(&self) -> String {
        hex::encode(digest::digest(&digest::SHA256, self.body))
    }

    /// The value of the `Authorization` header.
    pub fn authorization(&self) -> String {
        let date = self.date();
        let scope = format!(
            "{}/{}/{}/aws4_request",
            &date[..8],
            self.region,
            self.service
        );
        let (signed_headers, canonical) = self.canonical_request(&date);
        let hash = hex::encode(digest::digest(&digest::SHA256, canonical.as_bytes()));
        let to_sign = format!("AWS4-HMAC-SHA256\n{date}\n{scope}\n{hash}");
        let secret = format!("AWS4{}", self.credentials.secret_access_key);
        let key = [&date[..8], self.region, self.service, "aws4_request"]
            .iter()
            .fold(secret.into_bytes(), |key, part| mac(&key, part.as_bytes()));
        let signature = hex::encode(mac(&key, to_sign.as_bytes()));
        format!(
            "AWS4-HMAC-SHA256 Credential={}/{scope}, SignedHeaders={signed_headers}, Signature={signature}",
            self.credentials.access_key_id
        )
    }

    fn canonical_request(&self, date: &str) -> (String, String) {
        let mut headers = self.headers.to_vec();
        headers.push(("host", self.host));
        headers.push(("x-amz-date", date));
        if let Some(token) = self.credentials.session_token {
            headers.push(("x-amz-security-token", token));
        }
        headers.sort_unstable();
        let names: Vec<&str> = headers.iter().map(|(name, _)| *name).collect();
        let names = names.join(";");
        let mut lines = String::new();
        for (name, value) in &headers {
            let value: Vec<&str> = value.split_whitespace().collect();
            let _ = writeln!(lines, "{name}:{}", value.join(" "));
        }
        let canonical = format!(
            "{}\n{}\n{}\n{lines}\n{names}\n{}",
            self.method.to_ascii_uppercase(),
            self.canonical_path(),
            self.canonical_query(),
            self.content_sha256(),
        );
        (names, canonical)
    }

    /// Every service but S3 wants the sent path encoded once more.
    fn canonical_path(&self) -> String {
        if self.path.is_empty() {
            return "/".to_owned();
        }
        if self.service == "s3" {
            return self.path.to_owned();
        }
        let segments: Vec<String> = self
            .path
            .split('/')
            .map(|segment| utf8_percent_encode(segment, UNRESERVED).to_string())
            .collect();
        segments.join("/")
    }

    fn canonical_query(&self) -> String {
        let encode = |text: &str| {
            let text = percent_decode_str(text).collect::<Vec<u8>>();
            percent_encoding::percent_encode(&text, UNRESERVED).to_string()
        };
        let mut pairs: Vec<(String, String)> = self
            .query
            .split('&')
            .filter(|pair| !pair.is_empty())
            .map(|pair| pair.split_once('=').unwrap_or((pair, "")))
            .map(|(name, value)| {
                (
                    encode(&name.replace('+', " ")),
                    encode(&value.replace('+', " ")),
                )
            })
            .collect();
        pairs.sort_unstable();
        let pairs: Vec<String> = pairs
            .iter()
            .map(|(name, value)| format!("{name}={value}"))
            .collect();
        pairs.join("&")
    }
}

fn mac(key: &[u8], data: &[u8]) -> Vec<u8> {
    let key = hmac::Key::new(hmac::HMAC_SHA256, key);
    hmac::sign(&key, data).as_ref().to_vec()
}
