//! `tenon compile` over a corpus of wrong functions (`tests/wrong`): each complaint stands where its mark says.

use std::{collections::BTreeSet, fs, path::Path};

use crate::project::Project;

/// Where a complaint is expected or found: file, line, column, and what it says.
#[derive(Debug, PartialEq, Eq, PartialOrd, Ord)]
struct Complaint {
    file: String,
    line: usize,
    column: usize,
    message: String,
}

/// JSON knows no comments, so the mark of such a file stands here.
const MARKS_ELSEWHERE: [(&str, usize, usize, &str); 1] = [(
    "import-broken-json/names.json",
    1,
    13,
    "this is not JSON: trailing comma at line 1 column 13",
)];

fn marks(root: &Path, folder: &Path, found: &mut Vec<Complaint>) {
    for entry in fs::read_dir(folder).unwrap() {
        let path = entry.unwrap().path();
        if path.is_dir() {
            marks(root, &path, found);
            continue;
        }
        let file = path.strip_prefix(root).unwrap().display().to_string();
        let text = fs::read_to_string(&path).unwrap();
        for (index, line) in text.lines().enumerate() {
            let Some((_, mark)) = line.split_once("//~ ") else {
                continue;
            };
            if file == "index.ts" {
                continue;
            }
            let (column, message) = mark.split_once(' ').unwrap();
            found.push(Complaint {
                file: file.clone(),
                line: index + 1,
                column: column.parse().unwrap(),
                message: message.to_owned(),
            });
        }
    }
}

#[test]
fn every_wrong_function_is_refused_for_its_reason() {
    let corpus = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/wrong");
    let mut expected = Vec::new();
    marks(&corpus, &corpus, &mut expected);
    for (file, line, column, message) in MARKS_ELSEWHERE {
        expected.push(Complaint {
            file: file.to_owned(),
            line,
            column,
            message: message.to_owned(),
        });
    }
    assert!(expected.len() >= 70, "{}", expected.len());

    let ran = Project::empty().run(&["compile", "--json", corpus.to_str().unwrap()]);
    assert_eq!(ran.code, 10, "{}", ran.err);
    let found: BTreeSet<Complaint> = ran
        .out
        .lines()
        .map(|line| {
            let line: serde_json::Value = serde_json::from_str(line).unwrap();
            let number = |key: &str| usize::try_from(line[key].as_u64().unwrap()).unwrap();
            Complaint {
                file: line["file"].as_str().unwrap().to_owned(),
                line: number("line"),
                column: number("column"),
                message: line["message"].as_str().unwrap().to_owned(),
            }
        })
        .collect();
    let fits = |expected: &Complaint, found: &Complaint| {
        // A question mark stands for words that are not ours.
        let says = match expected.message.strip_suffix('?') {
            Some(start) => found.message.starts_with(start),
            None => found.message == expected.message,
        };
        (&expected.file, expected.line, expected.column) == (&found.file, found.line, found.column)
            && says
    };
    let missing: Vec<&Complaint> = expected
        .iter()
        .filter(|expected| !found.iter().any(|found| fits(expected, found)))
        .collect();
    let unexpected: Vec<&Complaint> = found
        .iter()
        .filter(|found| !expected.iter().any(|expected| fits(expected, found)))
        .collect();
    assert!(
        missing.is_empty() && unexpected.is_empty(),
        "missing: {missing:#?}\nunexpected: {unexpected:#?}"
    );
}

#[test]
fn what_compiles_is_not_refused() {
    let bodies = [
        "return nango.log('x');",
        "await Promise.all([nango.log('x'), nango.log('y')]);",
        "await Promise.all([1, 2].map((n) => nango.log(String(n))));",
        "const waiting = nango.log('x'); await nango.log('y'); await waiting;",
        "const all = []; all.push(nango.log('x')); await Promise.all(all);",
        "await (true ? nango.log('x') : nango.log('y'));",
        "nango.log('x').catch(() => {});",
        "const get = () => nango.get({ endpoint: '/x' }); await get();",
        "await nango.get({ endpoint: '/x', retries: 3, retryOn: [404] });",
        "const config: any = { endpoint: '/x', retryOn: [404] }; config.retries = 3; await nango.get(config);",
        "await nango.trackDeletesStart('A'); await nango.trackDeletesStart('B'); await nango.batchSave([], 'A'); await nango.batchSave([], 'B'); await nango.trackDeletesEnd('A'); await nango.trackDeletesEnd('B');",
        "for (const model of ['A', 'B']) { await nango.trackDeletesStart(model); await nango.trackDeletesEnd(model); }",
        "await nango.setMergingStrategy({ strategy: 'override' }, 'A'); await nango.get({ endpoint: '/x' });",
        "class Shape { make() { return new (this.constructor as any)('x'); } } new Shape();",
    ];
    let project = Project::empty();
    let mut manifest = String::new();
    for (index, body) in bodies.iter().enumerate() {
        let model = "z.object({ id: z.string() })";
        project.write(
            &format!("crm{index}/syncs/main.ts"),
            &format!(
                "import {{ createSync }} from 'nango';\nimport {{ z }} from 'zod';\nimport type {{ Any }} from 'somewhere';\n
                 export default createSync({{ description: 'd', frequency: 'every hour', models: {{ A: {model}, B: {model} }},
                 exec: async (nango) => {{ {body} }} }});\n"
            ),
        );
        manifest.push_str(&format!("import './crm{index}/syncs/main.js';\n"));
    }
    project.write("index.ts", &manifest);
    let ran = project.run(&["compile"]);
    assert_eq!(ran.code, 0, "{}", ran.err);
}

#[test]
fn console_is_only_a_warning() {
    let project = Project::new();
    project.write(
        "desk/on-events/welcome.ts",
        &crate::project::WELCOME.replace("await nango.log('hello');", "console.log('hello');"),
    );
    let ran = project.run(&["compile"]);
    assert_eq!(ran.code, 0, "{}", ran.err);
    assert!(
        ran.err.starts_with(
            "desk/on-events/welcome.ts:6:30: warning: `console.log` is not how functions log\n"
        ),
        "{}",
        ran.err
    );
}

#[test]
fn bundles_and_definitions_are_left_in_the_folder() {
    let project = Project::new();
    assert_eq!(project.run(&["compile", "--no-write"]).code, 0);
    assert!(!project.root().join("build").exists());
    assert_eq!(project.run(&["compile"]).code, 0);
    for name in [
        "desk_syncs_tickets",
        "desk_actions_close-ticket",
        "desk_on-events_welcome",
    ] {
        let path = project.root().join(format!("build/{name}.cjs"));
        let bundle = fs::read_to_string(path).unwrap();
        assert!(bundle.contains("module.exports ="), "{name}");
    }
    let text = fs::read_to_string(project.root().join(".nango/nango.json")).unwrap();
    let json: serde_json::Value = serde_json::from_str(&text).unwrap();
    assert_eq!(json[0]["providerConfigKey"], "desk");
    assert_eq!(json[0]["syncs"][0]["runs"], "every 5 minutes");
    assert_eq!(
        json[0]["actions"][0]["input"],
        "ActionInput_desk_closeticket"
    );
    assert_eq!(
        json[0]["onEventScripts"][0]["event"],
        "post-connection-creation"
    );
    let schema = &json[0]["syncs"][0]["json_schema"]["definitions"]["Ticket"];
    assert_eq!(schema["properties"]["id"]["type"], "string");
}
