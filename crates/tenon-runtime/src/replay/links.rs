//! Addresses inside recorded answers that lead back to the API: a simulator has to answer those itself.
//!
//! Recordings know paths, not hosts. So an address is one of the API's if its path was recorded, or if the field that
//! holds it is one in which APIs tell where they live.

use serde_json::Value;
use url::Url;

use super::answers::Answers;

/// Most addresses that are led elsewhere in one answer: a page of records has a few each.
const LINKS: usize = 20_000;

/// Deepest place in an answer that is looked at.
const DEPTH: usize = 64;

/// Longest text that is taken for an address.
const ADDRESS_BYTES: usize = 4_096;

/// Fields in which APIs tell where they live, in lower case and without `_` and `-`.
const DISCOVERY: [&str; 17] = [
    "apibase",
    "apibaseurl",
    "apidomain",
    "apiendpoint",
    "apiserver",
    "apiuri",
    "apiurl",
    "baseapiurl",
    "baseuri",
    "baseurl",
    "endpointurl",
    "instanceurl",
    "restapiurl",
    "resturl",
    "rooturl",
    "serverurl",
    "serviceurl",
];

impl Answers {
    /// Leads addresses of the API in bodies and in the headers `Link` and `Location` to `origin`; how many there were.
    pub fn lead_to(&mut self, origin: &str) -> usize {
        let mut all = 0;
        let places = self.clone();
        for answer in self.each_mut() {
            let mut guide = Guide {
                places: &places,
                origin: origin.trim_end_matches('/'),
                left: LINKS,
            };
            guide.value(&mut answer.response, None, DEPTH);
            for (name, value) in &mut answer.headers {
                match name.to_lowercase().as_str() {
                    "link" => guide.link_header(value),
                    "location" | "content-location" => guide.text(value, None),
                    _ => {}
                }
            }
            all += LINKS - guide.left;
        }
        all
    }
}

struct Guide<'a> {
    places: &'a Answers,
    origin: &'a str,
    left: usize,
}

impl Guide<'_> {
    fn value(&mut self, value: &mut Value, field: Option<&str>, depth: usize) {
        let Some(depth) = depth.checked_sub(1) else {
            return;
        };
        match value {
            Value::String(text) => self.text(text, field),
            Value::Array(items) => {
                for item in items {
                    self.value(item, field, depth);
                }
            }
            Value::Object(fields) => {
                for (name, value) in fields {
                    self.value(value, Some(name), depth);
                }
            }
            Value::Null | Value::Bool(_) | Value::Number(_) => {}
        }
    }

    fn text(&mut self, text: &mut String, field: Option<&str>) {
        if self.left > 0
            && let Some(led) = self.led(text, field)
        {
            *text = led;
            self.left -= 1;
        }
    }

    /// `<https://api.example.com/items?page=2>; rel="next", <...>`
    fn link_header(&mut self, header: &mut String) {
        let mut led = String::with_capacity(header.len());
        let mut rest = header.as_str();
        while let Some((before, after)) = rest.split_once('<') {
            let Some((address, after)) = after.split_once('>') else {
                break;
            };
            let mut address = address.to_owned();
            self.text(&mut address, None);
            led.push_str(before);
            led.push('<');
            led.push_str(&address);
            led.push('>');
            rest = after;
        }
        led.push_str(rest);
        *header = led;
    }

    fn led(&self, text: &str, field: Option<&str>) -> Option<String> {
        let is_address = text.starts_with("https://") || text.starts_with("http://");
        if !is_address || text.len() > ADDRESS_BYTES {
            return None;
        }
        let url = Url::parse(text).ok()?;
        // As it was written: an address that is parsed and printed may look different.
        let after_scheme = text.find("://")? + 3;
        let path_at = text[after_scheme..].find(['/', '?', '#']);
        let rest = path_at.map_or("", |at| &text[after_scheme + at..]);
        let origin = self.origin;
        if url.path() != "/" && self.places.knows(url.path()) {
            return Some(format!("{origin}{rest}"));
        }
        if !field.is_some_and(is_discovery) {
            return None;
        }
        // Paths below the API's base are recorded without it, unless the function wrote them out.
        let below = format!("{}/", url.path().trim_matches('/'));
        if below != "/" && self.places.knows_below(&below) {
            Some(format!("{origin}{rest}"))
        } else {
            Some(origin.to_owned())
        }
    }
}

fn is_discovery(field: &str) -> bool {
    let plain: String = field
        .chars()
        .filter(|character| !matches!(character, '_' | '-'))
        .collect();
    DISCOVERY.contains(&plain.to_lowercase().as_str())
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::super::answers::{Answers, Question};

    fn led(
        response: &serde_json::Value,
        headers: &serde_json::Value,
    ) -> (serde_json::Value, Vec<(String, String)>) {
        let fixture = json!({ "api": { "get": {
            "/v1/items": { "response": response, "headers": headers, "status": 200 },
            "/rest/v2/orders": { "response": [], "status": 200 },
        } } });
        let mut answers = Answers::default();
        answers.add(&fixture.to_string()).unwrap();
        answers.lead_to("http://127.0.0.1:1/");
        let question = Question {
            method: "GET".to_owned(),
            target: "/v1/items".to_owned(),
            body: Vec::new(),
        };
        let (answer, _) = answers.find(&question).unwrap();
        (answer.response.clone(), answer.headers.clone())
    }

    #[test]
    fn what_leads_to_a_recorded_path_leads_to_the_simulator() {
        let (body, headers) = led(
            &json!({
                "next": "https://api.example.com/v1/items?page=2&x=a%20b",
                "items": [{ "self": "https://api.example.com/v1/items", "site": "https://example.com", "page": "https://example.com/v1/other" }],
                "text": "see https://api.example.com/v1/items",
                "relative": "/v1/items?page=2",
            }),
            &json!({ "Link": "<https://api.example.com/v1/items?page=2>; rel=\"next\", <https://example.com/about>; rel=\"x\"" }),
        );
        assert_eq!(
            body,
            json!({
                "next": "http://127.0.0.1:1/v1/items?page=2&x=a%20b",
                "items": [{ "self": "http://127.0.0.1:1/v1/items", "site": "https://example.com", "page": "https://example.com/v1/other" }],
                "text": "see https://api.example.com/v1/items",
                "relative": "/v1/items?page=2",
            })
        );
        assert_eq!(
            headers[0].1,
            "<http://127.0.0.1:1/v1/items?page=2>; rel=\"next\", <https://example.com/about>; rel=\"x\""
        );
    }

    #[test]
    fn where_an_api_says_it_lives_is_the_simulator() {
        let (body, _) = led(
            &json!({
                "base_uri": "https://na1.example.com",
                "instance_url": "https://acme.example.com/services",
                "accounts": [{ "baseUrl": "https://na1.example.com/rest/v2" }],
                "website": "https://acme.example.com",
            }),
            &json!({}),
        );
        assert_eq!(
            body,
            json!({
                "base_uri": "http://127.0.0.1:1",
                "instance_url": "http://127.0.0.1:1",
                "accounts": [{ "baseUrl": "http://127.0.0.1:1/rest/v2" }],
                "website": "https://acme.example.com",
            })
        );
    }
}
