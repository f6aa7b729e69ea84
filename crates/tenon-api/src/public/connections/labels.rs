//! End users, tags and webhook URLs in requests (auth-and-proxy.md, 4.1).

use serde_json::{Map, Value};
use tenon_engine::connections::tags::{EndUser, MAX_TAG_CHARS, MAX_TAGS, Organization};

use crate::validate::{Field, Object, is_email};

/// Longest name of a tag.
const MAX_NAME_CHARS: usize = 64;

/// The `end_user` of a request.
pub(crate) fn end_user(field: Field<'_>) -> Option<EndUser> {
    let object = field.object()?;
    let user = EndUser {
        id: object.required("id").text().min(1).max(255).take(),
        email: object.optional("email").text().email().min(5).get(),
        display_name: object.optional("display_name").text().max(255).get(),
        tags: tags(object.optional("tags")),
        organization: None,
    };
    object.strict();
    Some(user)
}

/// The `organization` of a request.
pub(crate) fn organization(object: &Object<'_>) -> Option<Organization> {
    let object = object.optional("organization").object()?;
    let organization = Organization {
        id: object.required("id").text().max(255).take(),
        display_name: object.optional("display_name").text().max(255).get(),
    };
    object.strict();
    Some(organization)
}

/// Tags, their names in lower case.
pub(crate) fn tags(field: Field<'_>) -> Option<Map<String, Value>> {
    let whole = field.clone();
    let object = field.object()?;
    let mut tags = Map::new();
    let (mut wrong, mut repeated) = (false, false);
    for (name, value) in object.entries() {
        if !is_tag_name(name) {
            whole.issue_within("invalid_key", name, "Invalid key in record");
            wrong = true;
        }
        wrong |= !value.raw().is_some_and(Value::is_string);
        let text = value.text().min(1).max(MAX_TAG_CHARS).take();
        repeated |= tags.insert(name.to_lowercase(), text.into()).is_some();
    }
    if wrong {
        return Some(tags);
    }
    if repeated {
        whole.issue("custom", "two tags have the same name in lower case");
    } else if tags.len() > MAX_TAGS {
        whole.issue("custom", format!("at most {MAX_TAGS} tags are allowed"));
    }
    let email = tags.get("end_user_email").and_then(Value::as_str);
    if email.is_some_and(|email| !is_email(email)) {
        whole.issue(
            "custom",
            "the tag `end_user_email` must be an email address",
        );
    }
    Some(tags)
}

/// Whether a text can be the name of a tag.
pub(crate) fn is_tag_name(name: &str) -> bool {
    let mut chars = name.chars();
    chars
        .next()
        .is_some_and(|first| first.is_ascii_alphabetic())
        && chars.all(|c| c.is_ascii_alphanumeric() || "_-./".contains(c))
        && name.len() <= MAX_NAME_CHARS
}

/// A webhook URL; an empty text clears the one that is stored.
pub(crate) fn webhook_url(field: Field<'_>) -> Option<String> {
    field.raw()?;
    match field.raw().and_then(Value::as_str) {
        Some(_) => field.text().web_url_or_empty().get(),
        None => {
            field.issue("invalid_union", "Invalid input");
            None
        }
    }
}

#[cfg(test)]
mod tests {
    use super::is_tag_name;

    #[test]
    fn names_start_with_a_letter() {
        assert!(is_tag_name("Team.lead/x-1_y"));
        assert!(!is_tag_name("1a"));
        assert!(!is_tag_name(""));
        assert!(!is_tag_name("a b"));
        assert!(!is_tag_name(&"a".repeat(65)));
    }
}
