//! JSON to XML and back, as far as token requests need it: elements, attributes (`$name`), texts.

use serde_json::{Map, Value};

/// Deepest nesting that is read: real answers have less than ten levels.
const DEPTH: usize = 64;

/// Writes an object; members with `$` become attributes, lists repeat their element.
pub(super) fn write(object: &Map<String, Value>) -> String {
    let mut text = "<?xml version=\"1.0\" encoding=\"UTF-8\"?>".to_owned();
    write_members(object, &mut text);
    text
}

fn write_members(object: &Map<String, Value>, text: &mut String) {
    for (name, value) in object.iter().filter(|(name, _)| !name.starts_with('$')) {
        match value {
            Value::Array(items) => {
                for item in items {
                    write_element(name, item, text);
                }
            }
            other => write_element(name, other, text),
        }
    }
}

fn write_element(name: &str, value: &Value, text: &mut String) {
    text.push('<');
    text.push_str(name);
    if let Value::Object(object) = value {
        let attributes = object
            .iter()
            .filter_map(|(name, value)| Some((name.strip_prefix('$')?, value)));
        for (attribute, value) in attributes {
            text.push_str(&format!(" {attribute}=\"{}\"", escape(&plain(value))));
        }
        text.push('>');
        write_members(object, text);
    } else {
        text.push('>');
        text.push_str(&escape(&plain(value)));
    }
    text.push_str(&format!("</{name}>"));
}

fn plain(value: &Value) -> String {
    match value {
        Value::String(text) => text.clone(),
        Value::Null => String::new(),
        other => other.to_string(),
    }
}

fn escape(text: &str) -> String {
    text.replace('&', "&amp;")
        .replace('<', "&lt;")
        .replace('>', "&gt;")
        .replace('"', "&quot;")
}

/// Reads a document into `{root: …}`. No entities but the five of XML, no DTD; `None` if it is not XML.
pub(super) fn read(text: &str) -> Option<Value> {
    let mut reader = Reader { rest: text };
    reader.skip_prolog()?;
    let (name, value) = reader.element(0)?;
    let mut root = Map::new();
    root.insert(name, value);
    Some(Value::Object(root))
}

struct Reader<'t> {
    rest: &'t str,
}

impl Reader<'_> {
    fn skip_prolog(&mut self) -> Option<()> {
        loop {
            self.rest = self.rest.trim_start_matches('\u{feff}').trim_start();
            if self.rest.starts_with("<?") {
                self.rest = self.rest.split_once("?>")?.1;
            } else if self.rest.starts_with("<!--") {
                self.rest = self.rest.split_once("-->")?.1;
            } else {
                return Some(());
            }
        }
    }

    fn element(&mut self, depth: usize) -> Option<(String, Value)> {
        if depth > DEPTH {
            return None;
        }
        let (tag, rest) = self.rest.strip_prefix('<')?.split_once('>')?;
        self.rest = rest;
        let (tag, is_empty) = match tag.strip_suffix('/') {
            Some(tag) => (tag, true),
            None => (tag, false),
        };
        let name = tag.split_whitespace().next()?.to_owned();
        if name.starts_with(['!', '?', '/']) {
            return None;
        }
        if is_empty {
            return Some((name, Value::String(String::new())));
        }
        let (mut members, mut content) = (Map::new(), String::new());
        loop {
            let open = self.rest.find('<')?;
            content.push_str(&unescape(&self.rest[..open]));
            self.rest = &self.rest[open..];
            if let Some(rest) = self.rest.strip_prefix("<![CDATA[") {
                let (data, rest) = rest.split_once("]]>")?;
                content.push_str(data);
                self.rest = rest;
            } else if self.rest.starts_with("<!--") {
                self.rest = self.rest.split_once("-->")?.1;
            } else if let Some(rest) = self.rest.strip_prefix("</") {
                let (closing, rest) = rest.split_once('>')?;
                self.rest = rest;
                if closing.trim() != name {
                    return None;
                }
                let value = if members.is_empty() {
                    Value::String(content.trim().to_owned())
                } else {
                    Value::Object(members)
                };
                return Some((name, value));
            } else {
                let (child, value) = self.element(depth + 1)?;
                add(&mut members, child, value);
            }
        }
    }
}

fn add(members: &mut Map<String, Value>, name: String, value: Value) {
    match members.get_mut(&name) {
        Some(Value::Array(items)) => items.push(value),
        Some(first) => *first = Value::Array(vec![first.take(), value]),
        None => {
            members.insert(name, value);
        }
    }
}

fn unescape(text: &str) -> String {
    text.replace("&lt;", "<")
        .replace("&gt;", ">")
        .replace("&quot;", "\"")
        .replace("&apos;", "'")
        .replace("&amp;", "&")
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::{read, write};

    #[test]
    fn attributes_lists_and_texts() {
        let object = json!({ "request": { "login": { "user": "a<b", "n": 1 }, "function": { "$id": "x\"y", "go": "" }, "item": [1, 2] } });
        assert_eq!(
            write(object.as_object().unwrap()),
            "<?xml version=\"1.0\" encoding=\"UTF-8\"?><request><login><user>a&lt;b</user><n>1</n></login><function id=\"x&quot;y\"><go></go></function><item>1</item><item>2</item></request>"
        );
    }

    #[test]
    fn answers_become_objects() {
        let text = "<?xml version=\"1.0\"?>\n<!-- hi --><response><a x=\"1\"><b>1 &amp; 2</b><b><![CDATA[<3>]]></b></a><c/></response>";
        assert_eq!(
            read(text),
            Some(json!({ "response": { "a": { "b": ["1 & 2", "<3>"] }, "c": "" } }))
        );
    }

    #[test]
    fn what_is_no_xml_is_refused() {
        let deep = "<a>".repeat(10_000);
        for text in [
            "",
            "plain",
            "{}",
            "<a>",
            "<a></b>",
            "<!DOCTYPE x []><a/>",
            deep.as_str(),
        ] {
            assert_eq!(read(text), None, "{}", &text[..text.len().min(20)]);
        }
    }
}
