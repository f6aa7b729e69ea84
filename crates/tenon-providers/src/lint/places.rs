//! On which line of a YAML file a key stands.

use std::{collections::HashMap, fmt};

use serde::{
    Deserialize, Deserializer,
    de::{MapAccess, SeqAccess, Visitor},
};
use serde_saphyr::Spanned;

/// Lines by path.
#[derive(Default)]
pub(super) struct Places(HashMap<String, u64>);

impl Places {
    /// Reads the text once more. `lone` is the name of the entry in a file that is one.
    pub(super) fn of(text: &str, lone: Option<&str>) -> Self {
        let mut places = HashMap::new();
        if let Ok(root) = serde_saphyr::from_str::<Node>(text) {
            if let Some(name) = lone {
                places.insert(name.to_owned(), 1);
            }
            root.note(lone.unwrap_or_default(), &mut places);
        }
        Self(places)
    }

    /// The line of a key, or of the nearest key around it that stands in the file.
    pub(super) fn line(&self, entry: &str, key: &str) -> Option<u64> {
        let whole = format!("{entry}.{key}");
        let mut path = whole.trim_end_matches('.');
        loop {
            if let Some(line) = self.0.get(path) {
                return Some(*line);
            }
            path = path.rsplit_once('.')?.0;
        }
    }
}

/// A value of which only the places of its keys matter.
#[derive(Default)]
struct Node(Vec<(String, u64, Self)>);

impl Node {
    fn note(self, path: &str, places: &mut HashMap<String, u64>) {
        for (key, line, node) in self.0 {
            let path = if path.is_empty() {
                key
            } else {
                format!("{path}.{key}")
            };
            node.note(&path, places);
            places.insert(path, line);
        }
    }
}

impl<'de> Deserialize<'de> for Node {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        deserializer.deserialize_any(NodeVisitor)
    }
}

struct NodeVisitor;

impl<'de> Visitor<'de> for NodeVisitor {
    type Value = Node;

    fn expecting(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str("any value")
    }

    fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<Node, A::Error> {
        let mut node = Node::default();
        while let Some((key, value)) = map.next_entry::<Spanned<String>, Node>()? {
            node.0.push((key.value, key.referenced.line(), value));
        }
        Ok(node)
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut items: A) -> Result<Node, A::Error> {
        let mut node = Node::default();
        while let Some(item) = items.next_element::<Spanned<Node>>()? {
            node.0
                .push((node.0.len().to_string(), item.referenced.line(), item.value));
        }
        Ok(node)
    }

    fn visit_some<D: Deserializer<'de>>(self, value: D) -> Result<Node, D::Error> {
        Node::deserialize(value)
    }

    fn visit_newtype_struct<D: Deserializer<'de>>(self, value: D) -> Result<Node, D::Error> {
        Node::deserialize(value)
    }

    fn visit_bool<E>(self, _: bool) -> Result<Node, E> {
        Ok(Node::default())
    }

    fn visit_i64<E>(self, _: i64) -> Result<Node, E> {
        Ok(Node::default())
    }

    fn visit_u64<E>(self, _: u64) -> Result<Node, E> {
        Ok(Node::default())
    }

    fn visit_f64<E>(self, _: f64) -> Result<Node, E> {
        Ok(Node::default())
    }

    fn visit_str<E>(self, _: &str) -> Result<Node, E> {
        Ok(Node::default())
    }

    fn visit_unit<E>(self) -> Result<Node, E> {
        Ok(Node::default())
    }

    fn visit_none<E>(self) -> Result<Node, E> {
        Ok(Node::default())
    }
}
