//! Hosts that one request may go to, where somebody has drawn the circle closer than the guard does.

use url::Url;

/// A list of hosts: `host`, `host:port` or `*.domain`. Without a port any port is meant.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Hosts(Vec<String>);

impl Hosts {
    /// The hosts of this list.
    pub fn new(list: impl IntoIterator<Item = String>) -> Self {
        Self(
            list.into_iter()
                .map(|host| host.to_ascii_lowercase())
                .collect(),
        )
    }

    /// Adds where a URL leads, with its port.
    pub fn add(&mut self, url: &Url) {
        if let Some(host) = url.host_str() {
            let port = url.port_or_known_default().unwrap_or_default();
            self.0.push(format!("{}:{port}", host.to_ascii_lowercase()));
        }
    }

    /// Whether a request may go to this URL.
    pub fn allow(&self, url: &Url) -> bool {
        let Some(host) = url.host_str() else {
            return false;
        };
        let host = host.trim_end_matches('.').to_ascii_lowercase();
        let port = url.port_or_known_default().unwrap_or_default();
        let whole = format!("{host}:{port}");
        self.0.iter().any(|known| match known.strip_prefix("*.") {
            Some(domain) => host
                .strip_suffix(domain)
                .is_some_and(|rest| rest.len() > 1 && rest.ends_with('.')),
            None => *known == host || *known == whole,
        })
    }
}

#[cfg(test)]
mod tests {
    use url::Url;

    use super::Hosts;

    #[test]
    fn hosts_are_compared_whole() {
        let mut hosts = Hosts::new([
            "Sheets.googleapis.com".to_owned(),
            "*.example.org".to_owned(),
            "local.test:8080".to_owned(),
        ]);
        hosts.add(&Url::parse("https://api.provider.test/v1").unwrap());
        let cases = [
            ("https://sheets.googleapis.com/v4", true),
            ("https://SHEETS.googleapis.com./v4", true),
            ("https://sheets.googleapis.com.evil.test/", false),
            ("https://evil-sheets.googleapis.com/", false),
            ("https://a.example.org/", true),
            ("https://a.b.example.org/", true),
            ("https://example.org/", false),
            ("https://.example.org/", false),
            ("https://evilexample.org/", false),
            ("http://local.test:8080/", true),
            ("http://local.test:8081/", false),
            ("https://api.provider.test/", true),
            ("http://api.provider.test/", false),
            ("https://api.provider.test:444/", false),
            ("https://user@api.provider.test/", true),
            ("https://api.provider.test@evil.test/", false),
        ];
        for (url, allowed) in cases {
            let Ok(parsed) = Url::parse(url) else {
                assert!(!allowed, "{url}");
                continue;
            };
            assert_eq!(hosts.allow(&parsed), allowed, "{url}");
        }
    }
}
