//! End users and the tags that a connection gets from them (auth-and-proxy.md, 4.1).

use serde_json::{Map, Value, json};

/// Most tags of a connection.
pub const MAX_TAGS: usize = 10;

/// Longest value of a tag, in characters.
pub const MAX_TAG_CHARS: usize = 255;

/// Whoever a connection belongs to, in the app's words.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct EndUser {
    pub id: String,
    pub email: Option<String>,
    pub display_name: Option<String>,
    pub tags: Option<Map<String, Value>>,
    pub organization: Option<Organization>,
}

/// Whatever an end user belongs to.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Organization {
    pub id: String,
    pub display_name: Option<String>,
}

impl EndUser {
    /// The shape in which it is stored and answered: `{id, display_name, email, tags, organization}`.
    pub fn to_json(&self) -> Value {
        let organization = self
            .organization
            .as_ref()
            .map(|organization| json!({"id": organization.id, "display_name": organization.display_name}));
        json!({
            "id": self.id,
            "display_name": self.display_name,
            "email": self.email,
            "tags": self.tags,
            "organization": organization,
        })
    }

    /// From the shape in which it is stored.
    pub fn from_json(value: &Value) -> Option<Self> {
        let text = |value: &Value, name: &str| value.get(name)?.as_str().map(str::to_owned);
        let organization = value.get("organization").and_then(|organization| {
            Some(Organization {
                id: text(organization, "id")?,
                display_name: text(organization, "display_name"),
            })
        });
        Some(Self {
            id: text(value, "id")?,
            email: text(value, "email"),
            display_name: text(value, "display_name"),
            tags: value.get("tags").and_then(Value::as_object).cloned(),
            organization,
        })
    }
}

/// Tags of a connection: generated from its end user, overlaid by the end user's own (unless that makes too many),
/// overlaid by those that were given.
pub fn merged(
    end_user: Option<&EndUser>,
    given: Option<&Map<String, Value>>,
) -> Map<String, Value> {
    let mut tags = end_user.map(generated).unwrap_or_default();
    if let Some(own) = end_user.and_then(|user| user.tags.as_ref()) {
        let mut with_own = own_tags(own);
        for (name, value) in &tags {
            with_own
                .entry(name.clone())
                .or_insert_with(|| value.clone());
        }
        if with_own.len() <= MAX_TAGS {
            tags = with_own;
        }
    }
    for (name, value) in given.into_iter().flatten() {
        tags.insert(name.to_lowercase(), value.clone());
    }
    tags
}

fn own_tags(tags: &Map<String, Value>) -> Map<String, Value> {
    tags.iter()
        .map(|(name, value)| (name.to_lowercase(), value.clone()))
        .collect()
}

fn generated(user: &EndUser) -> Map<String, Value> {
    let organization = user.organization.as_ref();
    let sources = [
        ("end_user_id", Some(&user.id)),
        ("end_user_email", user.email.as_ref()),
        ("end_user_display_name", user.display_name.as_ref()),
        (
            "organization_id",
            organization.map(|organization| &organization.id),
        ),
        (
            "organization_display_name",
            organization.and_then(|organization| organization.display_name.as_ref()),
        ),
    ];
    sources
        .into_iter()
        .filter_map(|(name, value)| Some((name, value?)))
        .filter(|(_, value)| !value.is_empty())
        .map(|(name, value)| (name.to_owned(), Value::from(cut(value))))
        .collect()
}

fn cut(text: &str) -> String {
    text.chars().take(MAX_TAG_CHARS).collect()
}

#[cfg(test)]
mod tests {
    use serde_json::{Map, Value, json};

    use super::{EndUser, merged};

    fn map(value: &Value) -> Map<String, Value> {
        value.as_object().cloned().unwrap()
    }

    #[test]
    fn later_sources_win() {
        let user = EndUser {
            id: "u1".to_owned(),
            email: Some("u@example.test".to_owned()),
            tags: Some(map(&json!({"Src": "import", "end_user_id": "mine"}))),
            ..EndUser::default()
        };
        let tags = merged(Some(&user), Some(&map(&json!({"src": "given"}))));
        let expected =
            json!({"src": "given", "end_user_id": "mine", "end_user_email": "u@example.test"});
        assert_eq!(Value::Object(tags), expected);
    }

    #[test]
    fn too_many_own_tags_are_dropped() {
        let own: Map<String, Value> = (0..10).map(|n| (format!("t{n}"), json!("v"))).collect();
        let user = EndUser {
            id: "u1".to_owned(),
            tags: Some(own),
            ..EndUser::default()
        };
        assert_eq!(
            Value::Object(merged(Some(&user), None)),
            json!({"end_user_id": "u1"})
        );
    }

    #[test]
    fn an_end_user_survives_its_stored_form() {
        let user = json!({"id": "u", "display_name": null, "email": "e", "tags": {"a": "b"},
            "organization": {"id": "o", "display_name": "O"}});
        assert_eq!(EndUser::from_json(&user).unwrap().to_json(), user);
    }
}
