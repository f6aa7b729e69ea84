//! Says which URLs and addresses may be reached.

use std::net::{IpAddr, SocketAddr};

use ipnet::IpNet;
use url::{Host, Url};

use super::{
    EgressError, Refused,
    address::{Class, classify, is_metadata_name, unwrapped},
    network::Network,
};

/// What an operator allows.
#[derive(Clone, Debug, Default)]
pub struct EgressPolicy {
    /// Private ranges that are open (`--allow-egress`). Link-local and metadata addresses never open.
    pub allow: Vec<IpNet>,
    /// Opens loopback (`tenon dev`).
    pub allow_loopback: bool,
}

impl EgressPolicy {
    /// Looks at what can be seen without asking a name server. The URL parser has already turned `0x7f.1`, `2130706433`
    /// and the like into an address.
    pub(super) fn check_url(&self, url: &Url) -> Result<(), Refused> {
        if !matches!(url.scheme(), "http" | "https") {
            return Err(Refused::Scheme(url.scheme().to_owned()));
        }
        match url.host() {
            None => Err(Refused::NoHost),
            Some(Host::Domain(name)) if is_metadata_name(name) => {
                Err(Refused::Host(name.to_owned()))
            }
            Some(Host::Domain(_)) => Ok(()),
            Some(Host::Ipv4(address)) => self.check_address(&address.to_string(), address.into()),
            Some(Host::Ipv6(address)) => self.check_address(&address.to_string(), address.into()),
        }
    }

    /// Whether an address may be connected to.
    pub(super) fn check_address(&self, host: &str, address: IpAddr) -> Result<(), Refused> {
        let real = unwrapped(address);
        let listed = || self.allow.iter().any(|net| net.contains(&real));
        let range = match classify(address) {
            Class::Public => return Ok(()),
            Class::Loopback if self.allow_loopback || listed() => return Ok(()),
            Class::Private(_) if listed() => return Ok(()),
            Class::Loopback => "loopback",
            Class::Private(range) | Class::Never(range) => range,
        };
        Err(Refused::Address {
            host: host.to_owned(),
            address,
            range,
        })
    }

    /// Resolves a host and checks every address it has; one bad address refuses the host.
    pub(super) async fn resolve(
        &self,
        network: &dyn Network,
        host: &str,
        port: u16,
    ) -> Result<Vec<SocketAddr>, EgressError> {
        let refused = |reason| EgressError::Refused { reason, hop: 0 };
        let bare = host.trim_start_matches('[').trim_end_matches(']');
        if is_metadata_name(bare) {
            return Err(refused(Refused::Host(bare.to_owned())));
        }
        let addresses = match bare.parse::<IpAddr>() {
            Ok(address) => vec![address],
            Err(_) => network
                .resolve(bare)
                .await
                .map_err(|error| EgressError::Resolve {
                    host: bare.to_owned(),
                    detail: error.to_string(),
                })?,
        };
        if addresses.is_empty() {
            return Err(EgressError::Resolve {
                host: bare.to_owned(),
                detail: "no address".to_owned(),
            });
        }
        for address in &addresses {
            self.check_address(bare, *address).map_err(refused)?;
        }
        Ok(addresses
            .into_iter()
            .map(|address| SocketAddr::new(address, port))
            .collect())
    }
}

#[cfg(test)]
mod tests {
    use url::Url;

    use super::EgressPolicy;

    fn allowed(policy: &EgressPolicy, url: &str) -> bool {
        policy.check_url(&Url::parse(url).unwrap()).is_ok()
    }

    #[test]
    fn no_spelling_of_an_internal_address_passes() {
        let policy = EgressPolicy::default();
        let urls = [
            "http://127.0.0.1/",
            "http://127.1/",
            "http://0x7f.1/",
            "http://0177.0.0.1/",
            "http://2130706433/",
            "http://0x7f000001/",
            "http://%31%32%37.0.0.1/",
            "http://１２７.0.0.1/",
            "http://127.0.0.1./",
            "http://0/",
            "http://0.0.0.0:80/",
            "http://[::1]/",
            "http://[::]/",
            "http://[::ffff:127.0.0.1]/",
            "http://[::ffff:7f00:1]/",
            "http://[0:0:0:0:0:ffff:127.0.0.1]/",
            "http://[64:ff9b::7f00:1]/",
            "http://[2002:7f00:1::]/",
            "http://169.254.169.254/latest/meta-data",
            "http://[::ffff:a9fe:a9fe]/",
            "http://2852039166/",
            "http://0xa9fea9fe/",
            "http://[fd00:ec2::254]/",
            "http://10.1.2.3/",
            "http://172.16.0.1/",
            "http://192.168.0.1/",
            "http://100.64.0.1/",
            "http://[fd00::1]/",
            "http://[fe80::1]/",
            "http://metadata.google.internal/",
            "http://METADATA.GOOGLE.INTERNAL./",
            "ftp://example.com/",
            "file:///etc/passwd",
            "gopher://example.com/",
        ];
        for url in urls {
            assert!(!allowed(&policy, url), "{url}");
        }
        assert!(allowed(&policy, "https://example.com/"));
        assert!(allowed(&policy, "http://93.184.215.14/"));
    }

    #[test]
    fn the_allow_list_opens_private_ranges_and_nothing_worse() {
        let policy = EgressPolicy {
            allow: vec!["0.0.0.0/0".parse().unwrap(), "::/0".parse().unwrap()],
            allow_loopback: false,
        };
        assert!(allowed(&policy, "http://10.1.2.3/"));
        assert!(allowed(&policy, "http://127.0.0.1/"));
        assert!(allowed(&policy, "http://[fd00::1]/"));
        assert!(!allowed(&policy, "http://169.254.169.254/"));
        assert!(!allowed(&policy, "http://[fe80::1]/"));
        assert!(!allowed(&policy, "http://[fd00:ec2::254]/"));
        assert!(!allowed(&policy, "http://100.100.100.200/"));
        assert!(!allowed(&policy, "http://0.0.0.0/"));
    }

    #[test]
    fn the_dev_switch_opens_loopback_only() {
        let policy = EgressPolicy {
            allow: Vec::new(),
            allow_loopback: true,
        };
        assert!(allowed(&policy, "http://127.0.0.1:3000/"));
        assert!(allowed(&policy, "http://[::1]/"));
        assert!(!allowed(&policy, "http://10.0.0.1/"));
        assert!(!allowed(&policy, "http://0.0.0.0/"));
    }
}
