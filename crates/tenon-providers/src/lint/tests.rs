use super::{Finding, Severity, lint};
use crate::Catalogue;

fn of(text: &str) -> Vec<Finding> {
    lint(&Catalogue::embedded(), "my.yaml", text)
}

/// An entry without fault, and places to put one.
fn entry(more: &str, proxy: &str) -> String {
    format!(
        "acme:
  display_name: Acme
  categories: [other]
  auth_mode: API_KEY
{more}
  proxy:
    base_url: https://${{connectionConfig.subdomain}}.acme.test
{proxy}
  connection_config:
    subdomain: {{ type: string, title: Subdomain, pattern: '^[a-z]+$' }}
"
    )
}

#[test]
fn a_sound_file_has_no_findings() {
    assert_eq!(of(&entry("", "")), []);
}

#[test]
fn each_slip_is_named_with_its_line_and_a_hint() {
    let cases = [
        (
            entry("  tokn_url: https://acme.test/t", ""),
            "my.yaml:5: acme: tokn_url: nobody reads this key",
            "`token_url`",
        ),
        (
            entry("", "    pagination: {}"),
            "my.yaml:8: acme: proxy.pagination: nobody reads this key",
            "`paginate`",
        ),
        (
            entry("  credentials: { key: { patern: x } }", ""),
            "my.yaml:5: acme: credentials.key.patern: nobody reads this key",
            "`pattern`",
        ),
        (
            entry("  credentials: { key: { pattern: '[a-' } }", ""),
            "my.yaml:5: acme: credentials.key.pattern: no regular expression",
            "",
        ),
        (
            entry("", "    headers: { x-key: '${apiKey' }"),
            "my.yaml:8: acme: proxy.headers.x-key: a `${` has no `}`",
            "",
        ),
        (
            entry("", "    headers: { x-key: '${bas64(${apiKey})}' }"),
            "my.yaml:8: acme: proxy.headers.x-key: there is no function `bas64`",
            "`base64(…)`",
        ),
        (
            entry("", "    query: { of: '${connectionConfig.subdomian}' }"),
            "my.yaml:8: acme: proxy.query.of: nothing gives",
            "connectionConfig.subdomain",
        ),
        (
            entry("", "    query: { of: '${connectionConfig.region}' }"),
            "my.yaml:8: acme: proxy.query.of: nothing gives",
            "declare `region`",
        ),
        (
            entry("  token_url: http://acme.test.example/t", ""),
            "my.yaml:5: acme: token_url: secrets go over the network in clear",
            "`https://`",
        ),
        (
            entry("  token_url: acme.test/t", ""),
            "my.yaml:5: acme: token_url: `acme.test/t` is no absolute URL",
            "`https://`",
        ),
        (
            entry("  token_url: https://-acme.test/t", ""),
            "my.yaml:5: acme: token_url: `-acme.test` is no host name",
            "",
        ),
        (
            entry("  token_url: https://id:secret@acme.test/t", ""),
            "my.yaml:5: acme: token_url: credentials do not belong",
            "",
        ),
        (
            entry(
                "",
                "    paginate: { type: cursor, cursor_name_in_request: c }",
            ),
            "my.yaml:8: acme: proxy.paginate.cursor_path_in_response: paging by cursor needs",
            "",
        ),
        (
            entry("", "    paginate: { type: link }"),
            "my.yaml:8: acme: proxy.paginate.type: paging by link needs",
            "",
        ),
        (
            entry("", "    paginate: { type: offset }"),
            "my.yaml:8: acme: proxy.paginate.offset_name_in_request: paging by offset needs",
            "",
        ),
        (
            entry(
                "",
                "    retry: { in_body: { path: a, value: 'no group', strategy: after } }",
            ),
            "my.yaml:8: acme: proxy.retry.in_body.value: the expression has no group",
            "parentheses",
        ),
        (
            "acme: { alias: zendesc }".to_owned(),
            "my.yaml:1: acme: alias: `zendesc` does not exist",
            "`zendesk`",
        ),
        (
            "acme: { display_name: A, auth_mode: OAUTH2, proxy: { base_url: https://a.test } }"
                .to_owned(),
            "my.yaml:1: acme: authorization_url: mode `OAUTH2` needs",
            "",
        ),
        (
            "'a b': { display_name: A, auth_mode: NONE }".to_owned(),
            "my.yaml:1: a b: this is no provider name",
            "letters",
        ),
        ("- a".to_owned(), "my.yaml:1: this is no map", ""),
        ("a: {".to_owned(), "my.yaml:", ""),
    ];
    for (text, start, hint) in cases {
        let findings = of(&text);
        let found = findings
            .iter()
            .find(|finding| finding.to_string().starts_with(start));
        let found = found.unwrap_or_else(|| panic!("{start}\n{findings:#?}"));
        assert!(
            found.hint.as_deref().unwrap_or_default().contains(hint),
            "{found:?}"
        );
    }
}

#[test]
fn every_wrong_value_is_named_not_only_the_first() {
    let text = entry(
        "  authorization_method: cookie\n  token_expires_in_ms: soon",
        "    paginate: { type: pages }\n    decompress: maybe",
    );
    let errors: Vec<String> = of(&text)
        .into_iter()
        .filter(|finding| finding.severity == Severity::Error)
        .map(|finding| finding.key)
        .collect();
    for key in [
        "authorization_method",
        "token_expires_in_ms",
        "proxy.paginate.type",
        "proxy.decompress",
    ] {
        assert!(errors.iter().any(|known| known == key), "{key}: {errors:?}");
    }
}

#[test]
fn a_file_may_be_one_entry_and_an_entry_extend_another() {
    let one = "display_name: Acme\ncategories: [other]\nauth_mode: NONE\ncolour: red\n";
    let findings = lint(&Catalogue::embedded(), "providers/acme.yaml", one);
    assert_eq!(findings.len(), 1, "{findings:#?}");
    assert_eq!(
        findings[0].to_string(),
        "providers/acme.yaml:4: acme: colour: nobody reads this key"
    );

    let two = "parent: { display_name: P, auth_mode: NONE }\nchild: { alias: parent }\nours: { alias: zendesk, docs: null }\n";
    assert_eq!(of(two), []);
}

/// Patterns with look-around, which only browsers check: they keep people from entering the host of the pages in place of
/// that of the API.
const KNOWN: [(&str, &str); 3] = [
    ("salesforce", "connection_config.hostname.pattern"),
    ("salesforce-cc", "connection_config.hostname.pattern"),
    ("salesforce-sandbox", "connection_config.hostname.pattern"),
];

/// The shipped entries are held to the same rules.
#[test]
fn entries_of_ours_have_no_other_findings_than_the_known_ones() {
    let folder = std::path::Path::new(env!("CARGO_MANIFEST_DIR")).join("../../providers");
    let mut known = KNOWN.to_vec();
    let mut wrong = Vec::new();
    let mut count = 0;
    for file in std::fs::read_dir(folder).unwrap() {
        let path = file.unwrap().path();
        if path.extension().is_none_or(|extension| extension != "yaml") {
            continue;
        }
        let text = std::fs::read_to_string(&path).unwrap();
        for finding in lint(&Catalogue::embedded(), &path.to_string_lossy(), &text) {
            let place = (finding.entry.as_str(), finding.key.as_str());
            match known.iter().position(|known| *known == place) {
                Some(index) => drop(known.swap_remove(index)),
                None => wrong.push(finding.to_string()),
            }
        }
        count += 1;
    }
    assert_eq!(count, 981);
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
    assert!(known.is_empty(), "mended, so no longer known: {known:?}");
}
