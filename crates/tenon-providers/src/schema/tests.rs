use std::collections::BTreeSet;

use serde::{
    Deserialize, Deserializer,
    de::{Visitor, value::Error},
};

use super::{definition, keys};
use crate::{
    AnswerCheck, Assertion, Choice, Companion, ExchangeStep, Field, HookCall, InBody,
    Introspection, JwtToken, Paginate, Provider, ProxySettings, Retry, Revocation, Signature,
    TokenAnswer, TokenExchange, TokenResponse, TokenStep, Verification, VisibleWhen,
    WebhookRouting,
};

/// Asks a type for the names that it reads: a struct tells them to whoever it is read from.
struct Asked<'a>(&'a mut &'static [&'static str]);

impl<'de> Deserializer<'de> for Asked<'_> {
    type Error = Error;

    fn deserialize_struct<V: Visitor<'de>>(
        self,
        _name: &'static str,
        fields: &'static [&'static str],
        _visitor: V,
    ) -> Result<V::Value, Error> {
        *self.0 = fields;
        Err(serde::de::Error::custom("asked only"))
    }

    fn deserialize_any<V: Visitor<'de>>(self, _visitor: V) -> Result<V::Value, Error> {
        Err(serde::de::Error::custom("no struct"))
    }

    serde::forward_to_deserialize_any! {
        bool i8 i16 i32 i64 i128 u8 u16 u32 u64 u128 f32 f64 char str string bytes byte_buf option unit unit_struct
        newtype_struct seq tuple tuple_struct map enum identifier ignored_any
    }
}

fn read<'de, T: Deserialize<'de>>() -> BTreeSet<&'static str> {
    let mut fields: &'static [&'static str] = &[];
    let _ = T::deserialize(Asked(&mut fields));
    fields.iter().copied().collect()
}

/// Keys of the schema that are not read: people see them, or they come from older files.
const NOT_READ: [(&str, &str); 2] = [("provider", "auth"), ("provider", "decode_url")];

#[test]
fn the_schema_names_exactly_the_keys_that_are_read() {
    let types = [
        ("provider", read::<Provider>()),
        ("field", read::<Field>()),
        ("visible_when", read::<VisibleWhen>()),
        ("proxy", read::<ProxySettings>()),
        ("verification", read::<Verification>()),
        ("retry", read::<Retry>()),
        ("in_body", read::<InBody>()),
        ("paginate", read::<Paginate>()),
        ("token_response", read::<TokenResponse>()),
        ("token_step", read::<TokenStep>()),
        ("signature", read::<Signature>()),
        ("token", read::<JwtToken>()),
        ("assertion", read::<Assertion>()),
        ("webhook_routing", read::<WebhookRouting>()),
        ("revocation", read::<Revocation>()),
        ("token_exchange", read::<TokenExchange>()),
        ("exchange_step", read::<ExchangeStep>()),
        ("token_answer", read::<TokenAnswer>()),
        ("answer_check", read::<AnswerCheck>()),
        ("companion", read::<Companion>()),
        ("introspection", read::<Introspection>()),
        ("hook_call", read::<HookCall>()),
        ("choice", read::<Choice>()),
    ];
    let mut wrong = Vec::new();
    for (name, mut read) in types {
        // The name of an entry is not in it.
        read.retain(|key| (name, *key) != ("provider", "name"));
        assert!(!read.is_empty(), "`{name}` is a struct");
        let published = keys(definition(name)).unwrap_or_else(|| panic!("no closed `{name}`"));
        let published: BTreeSet<&str> = published
            .keys()
            .map(String::as_str)
            .filter(|key| !NOT_READ.contains(&(name, *key)))
            .collect();
        for key in read.difference(&published) {
            wrong.push(format!(
                "`{key}` of `{name}` is read and not in docs/reference/provider.schema.json: add it"
            ));
        }
        for key in published.difference(&read) {
            wrong.push(format!("`{key}` of `{name}` is in docs/reference/provider.schema.json and not read: remove it"));
        }
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}

#[test]
fn the_reference_page_names_every_key_of_an_entry() {
    let page = include_str!("../../../../docs/reference/provider-schema.md");
    let missing: Vec<&String> = keys(definition("provider"))
        .expect("closed")
        .keys()
        .filter(|key| !page.contains(&format!("`{key}`")))
        .filter(|key| !NOT_READ.contains(&("provider", key.as_str())))
        .collect();
    assert!(
        missing.is_empty(),
        "provider-schema.md does not explain {missing:?}"
    );
}
