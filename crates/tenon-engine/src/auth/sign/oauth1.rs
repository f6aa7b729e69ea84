//! OAuth 1.0a signatures (RFC 5849; auth-and-proxy.md, 6.7).

use aws_lc_rs::hmac;
use base64::{Engine as _, engine::general_purpose::STANDARD};
use percent_encoding::{AsciiSet, NON_ALPHANUMERIC, utf8_percent_encode};
use tenon_core::Timestamp;
use url::Url;

/// What RFC 3986 leaves alone, and nothing else.
const STRICT: &AsciiSet = &NON_ALPHANUMERIC
    .remove(b'-')
    .remove(b'.')
    .remove(b'_')
    .remove(b'~');

/// How requests are signed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum SignatureMethod {
    HmacSha1,
    HmacSha256,
    Plaintext,
}

impl SignatureMethod {
    /// From the wire name; `None` for one we do not know.
    pub fn parse(name: &str) -> Option<Self> {
        match name {
            "HMAC-SHA1" => Some(Self::HmacSha1),
            "HMAC-SHA256" => Some(Self::HmacSha256),
            "PLAINTEXT" => Some(Self::Plaintext),
            _ => None,
        }
    }

    const fn name(self) -> &'static str {
        match self {
            Self::HmacSha1 => "HMAC-SHA1",
            Self::HmacSha256 => "HMAC-SHA256",
            Self::Plaintext => "PLAINTEXT",
        }
    }
}

/// A request to sign.
#[derive(Clone, Debug)]
pub struct Request<'a> {
    pub method: &'a str,
    /// With its query, which is part of what is signed.
    pub url: &'a Url,
    /// Pairs of a form body, likewise.
    pub form: &'a [(String, String)],
    /// `oauth_callback`, `oauth_verifier` and the like.
    pub extra: &'a [(&'a str, &'a str)],
    pub consumer_key: &'a str,
    pub consumer_secret: &'a str,
    pub token: Option<(&'a str, &'a str)>,
    pub signature_method: SignatureMethod,
    /// First parameter of the header; not signed.
    pub realm: Option<&'a str>,
    pub nonce: &'a str,
    pub now: Timestamp,
}

/// The value of the `Authorization` header.
pub fn authorization(request: &Request<'_>) -> String {
    let mut parameters = vec![
        ("oauth_consumer_key", request.consumer_key.to_owned()),
        ("oauth_nonce", request.nonce.to_owned()),
        (
            "oauth_signature_method",
            request.signature_method.name().to_owned(),
        ),
        ("oauth_timestamp", request.now.secs().to_string()),
        ("oauth_version", "1.0".to_owned()),
    ];
    if let Some((token, _)) = request.token {
        parameters.push(("oauth_token", token.to_owned()));
    }
    for (name, value) in request.extra {
        parameters.push((name, (*value).to_owned()));
    }
    parameters.push(("oauth_signature", signature(request, &parameters)));
    parameters.sort();
    let listed = parameters
        .iter()
        .map(|(name, value)| format!("{name}=\"{}\"", strict(value)));
    let realm = request.realm.map(|realm| format!("realm=\"{realm}\""));
    let all: Vec<String> = realm.into_iter().chain(listed).collect();
    format!("OAuth {}", all.join(", "))
}

fn signature(request: &Request<'_>, oauth: &[(&str, String)]) -> String {
    let token_secret = request.token.map_or("", |(_, secret)| secret);
    let key = format!(
        "{}&{}",
        strict(request.consumer_secret),
        strict(token_secret)
    );
    let mac = |algorithm| {
        let base = base_string(request, oauth);
        STANDARD.encode(hmac::sign(
            &hmac::Key::new(algorithm, key.as_bytes()),
            base.as_bytes(),
        ))
    };
    match request.signature_method {
        SignatureMethod::HmacSha1 => mac(hmac::HMAC_SHA1_FOR_LEGACY_USE_ONLY),
        SignatureMethod::HmacSha256 => mac(hmac::HMAC_SHA256),
        SignatureMethod::Plaintext => key,
    }
}

fn base_string(request: &Request<'_>, oauth: &[(&str, String)]) -> String {
    let mut pairs: Vec<(String, String)> = oauth
        .iter()
        .map(|(name, value)| (strict(name), strict(value)))
        .collect();
    let query = request.url.query_pairs();
    pairs.extend(query.map(|(name, value)| (strict(&name), strict(&value))));
    let form = request.form.iter();
    pairs.extend(form.map(|(name, value)| (strict(name), strict(value))));
    pairs.sort();
    let parameters: Vec<String> = pairs
        .iter()
        .map(|(name, value)| format!("{name}={value}"))
        .collect();
    let mut url = request.url.clone();
    url.set_query(None);
    url.set_fragment(None);
    format!(
        "{}&{}&{}",
        request.method.to_uppercase(),
        strict(url.as_str()),
        strict(&parameters.join("&"))
    )
}

fn strict(text: &str) -> String {
    utf8_percent_encode(text, STRICT).to_string()
}

#[cfg(test)]
mod tests {
    use tenon_core::Timestamp;
    use url::Url;

    use super::{Request, SignatureMethod, authorization};

    /// The example of RFC 5849, 1.2 and 3.4.1, with the version parameter that we always send.
    fn request(url: &Url, method: SignatureMethod) -> Request<'_> {
        Request {
            method: "get",
            url,
            form: &[],
            extra: &[],
            consumer_key: "dpf43f3p2l4k3l03",
            consumer_secret: "kd94hf93k423kf44",
            token: Some(("nnch734d00sl2jdk", "pfkkdhi9sl3r4s00")),
            signature_method: method,
            realm: None,
            nonce: "kllo9940pd9333jh",
            now: Timestamp::from_secs(1_191_242_096),
        }
    }

    #[test]
    fn sha1_signature_equals_the_published_example() {
        // OAuth Core 1.0, appendix A.5.
        let url =
            Url::parse("http://photos.example.net/photos?file=vacation.jpg&size=original").unwrap();
        let header = authorization(&request(&url, SignatureMethod::HmacSha1));
        assert!(
            header.contains(r#"oauth_signature="tR3%2BTy81lMeYAr%2FFid0kMTYa%2FWM%3D""#),
            "{header}"
        );
    }

    #[test]
    fn plaintext_signature_is_the_key() {
        let url = Url::parse("https://photos.example.net/initiate").unwrap();
        let header = authorization(&request(&url, SignatureMethod::Plaintext));
        assert!(
            header.contains(r#"oauth_signature="kd94hf93k423kf44%26pfkkdhi9sl3r4s00""#),
            "{header}"
        );
    }

    #[test]
    fn realm_comes_first_and_is_not_signed() {
        let url = Url::parse("https://photos.example.net/initiate").unwrap();
        let plain = authorization(&request(&url, SignatureMethod::HmacSha256));
        let with_realm = authorization(&Request {
            realm: Some("123_SB1"),
            ..request(&url, SignatureMethod::HmacSha256)
        });
        assert_eq!(
            with_realm,
            plain.replacen("OAuth ", "OAuth realm=\"123_SB1\", ", 1)
        );
    }
}
