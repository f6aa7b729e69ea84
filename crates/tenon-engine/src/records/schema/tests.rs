use serde_json::{Value, json};

use super::Schemas;

fn problems(schema: &Value, record: &Value) -> Vec<String> {
    let text = json!({"definitions": {
        "Model": schema,
        "User": {"type": "object", "properties": {"name": {"type": "string"}}, "required": ["name"]},
        "Tree": {"type": "object", "properties": {"children": {"type": "array", "items": {"$ref": "#/definitions/Tree"}}}, "required": ["children"]},
    }});
    Schemas::read(&text.to_string())
        .problems("Model", "1", record.to_string().as_bytes())
        .into_iter()
        .map(|problem| format!("{} {}", problem.path, problem.reason))
        .collect()
}

/// A schema, a record and what is wrong with it.
#[test]
fn rules_are_kept_to() {
    let object = |properties: Value| json!({"type": "object", "properties": properties});
    let cases = [
        (json!({}), json!({"a": 1}), vec![]),
        (json!(true), json!({}), vec![]),
        (json!(false), json!({}), vec!["/ is not allowed"]),
        (object(json!({"id": {"type": "string"}})), json!({}), vec![]),
        (
            json!({"type": "object", "required": ["id", "a", "b"]}),
            json!({"a": null}),
            vec!["/ must have `b`"],
        ),
        (
            object(json!({"a": {"type": "string"}, "b": {"type": ["number", "null"]}})),
            json!({"a": 1, "b": "x"}),
            vec!["/a must be a string", "/b must be null or a number"],
        ),
        (
            object(json!({"n": {"type": "integer"}})),
            json!({"n": 1.5}),
            vec!["/n must be an integer"],
        ),
        (
            object(json!({"n": {"type": "integer"}})),
            json!({"n": 3.0}),
            vec![],
        ),
        (
            object(json!({"n": {"minimum": 1, "exclusiveMaximum": 3, "multipleOf": 0.1}})),
            json!({"n": 3}),
            vec!["/n must be less than 3"],
        ),
        (
            object(json!({"n": {"multipleOf": 0.1}})),
            json!({"n": 0.3}),
            vec![],
        ),
        (
            object(json!({"n": {"multipleOf": 2}})),
            json!({"n": 3}),
            vec!["/n is no multiple of 2"],
        ),
        (
            json!({"type": "object", "properties": {"id": {}, "a": {}}, "additionalProperties": false}),
            json!({"a": 1, "x/y": 2}),
            vec!["/x~1y is not allowed"],
        ),
        (
            json!({"properties": {"id": {}}, "additionalProperties": {"type": "number"}, "propertyNames": {"maxLength": 2}}),
            json!({"a": 1, "b": "2", "long": 3}),
            vec![
                "/b must be a number",
                "/long has a name that is not allowed",
            ],
        ),
        (
            json!({"properties": {"id": {}}, "patternProperties": {"^x": {"type": "number"}}, "additionalProperties": false}),
            json!({"x1": "a", "y": 1}),
            vec!["/x1 must be a number", "/y is not allowed"],
        ),
        (
            object(json!({"l": {"type": "array", "items": {"type": "number"}, "minItems": 2}})),
            json!({"l": ["a"]}),
            vec!["/l must have at least 2 items", "/l/0 must be a number"],
        ),
        (
            object(
                json!({"t": {"type": "array", "items": [{"type": "number"}, {"type": "string"}], "additionalItems": false}}),
            ),
            json!({"t": [1, 2, 3]}),
            vec!["/t/1 must be a string", "/t/2 is not allowed"],
        ),
        (
            object(json!({"l": {"uniqueItems": true}})),
            json!({"l": [1, {"a": 1}, {"a": 1}]}),
            vec!["/l has an item twice"],
        ),
        (
            object(json!({"e": {"enum": ["a", 1, null]}})),
            json!({"e": 1.0}),
            vec![],
        ),
        (
            object(json!({"e": {"enum": ["a"]}})),
            json!({"e": "b"}),
            vec!["/e is none of the values allowed"],
        ),
        (
            object(json!({"c": {"const": {"a": [1]}}})),
            json!({"c": {"a": [1]}}),
            vec![],
        ),
        (
            object(json!({"s": {"minLength": 2, "maxLength": 3, "pattern": "^[a-z]+$"}})),
            json!({"s": "A"}),
            vec![
                "/s must have at least 2 characters",
                "/s does not match its pattern",
            ],
        ),
        (
            object(json!({"s": {"maxLength": 2}})),
            json!({"s": "😀"}),
            vec![],
        ),
        // Look-ahead is not known, so it is not checked.
        (
            object(json!({"s": {"pattern": "^(?!a).*$"}})),
            json!({"s": "a"}),
            vec![],
        ),
        (
            object(json!({"u": {"$ref": "#/definitions/User"}})),
            json!({"u": {}}),
            vec!["/u must have `name`"],
        ),
        (
            object(json!({"t": {"$ref": "#/definitions/Tree"}})),
            json!({"t": {"children": [{"children": [{}]}]}}),
            vec!["/t/children/0/children/0 must have `children`"],
        ),
        (
            object(
                json!({"v": {"anyOf": [{"type": "string"}, {"type": "object", "required": ["a"]}]}}),
            ),
            json!({"v": {"b": 1}}),
            vec!["/v fits none of the alternatives"],
        ),
        (
            object(json!({"v": {"oneOf": [{"type": "number"}, {"type": "integer"}]}})),
            json!({"v": 1}),
            vec!["/v fits more than one of the alternatives"],
        ),
        (
            json!({"allOf": [{"required": ["a"]}, {"required": ["b"]}]}),
            json!({"a": 1}),
            vec!["/ must have `b`"],
        ),
        (
            object(json!({"v": {"not": {"type": "null"}}})),
            json!({"v": null}),
            vec!["/v is what it must not be"],
        ),
        (
            json!({"minProperties": 3}),
            json!({"a": 1}),
            vec!["/ must have at least 3 members"],
        ),
    ];
    for (schema, record, expected) in cases {
        assert_eq!(problems(&schema, &record), expected, "{schema} {record}");
    }
}

#[test]
fn formats_are_checked() {
    let cases = [
        ("date-time", "2026-01-01T00:00:00Z", true),
        ("date-time", "2026-01-01T00:00:00.123+02:00", true),
        ("date-time", "yesterday", false),
        ("date-time", "2026-13-01T00:00:00Z", false),
        ("date", "2026-02-28", true),
        ("date", "2026-02-30", false),
        ("email", "a.b+c@example.org", true),
        ("email", "a b@example.org", false),
        ("email", "a@b", false),
        ("uri", "https://a.test/x?y", true),
        ("uri", "/x", false),
        ("uuid", "019f8a32-1111-7222-8333-444444444444", true),
        ("uuid", "019f8a32", false),
        ("ipv4", "10.0.0.1", true),
        ("ipv4", "10.0.0", false),
        ("ipv6", "::1", true),
        ("made-up", "anything", true),
    ];
    for (format, text, fits) in cases {
        let schema = json!({"properties": {"f": {"type": "string", "format": format}}});
        assert_eq!(
            problems(&schema, &json!({"f": text})).is_empty(),
            fits,
            "{format} {text}"
        );
    }
}

#[test]
fn schemas_that_mean_harm_end() {
    let itself = json!({"$ref": "#/definitions/Model"});
    assert_eq!(problems(&itself, &json!({})), [""; 0]);
    let mut doubled = json!({"required": ["x"]});
    for _ in 0..30 {
        doubled = json!({"anyOf": [doubled.clone(), doubled]});
        if doubled.to_string().len() > 200_000 {
            break;
        }
    }
    assert!(!problems(&doubled, &json!({})).is_empty());
    let mut deep = json!({"type": "string"});
    for _ in 0..100 {
        deep = json!({"allOf": [deep]});
    }
    let _ends = problems(&deep, &json!({}));
    for text in [
        "",
        "[]",
        "{\"definitions\": 1}",
        "{\"definitions\": {\"Model\": 7}}",
    ] {
        assert!(Schemas::read(text).problems("Model", "1", b"{}").is_empty());
    }
}

#[test]
fn no_value_of_a_record_stands_in_a_problem() {
    let schema = json!({"properties": {"secret": {"type": "number"}, "e": {"enum": [1]}}});
    let told = problems(&schema, &json!({"secret": "hunter2", "e": "hunter2"})).join(" ");
    assert!(!told.contains("hunter2"), "{told}");
}
