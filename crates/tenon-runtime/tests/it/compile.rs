//! Compiling, through the door of the command line: files in, bundle or complaints out.

#![expect(clippy::unwrap_used, reason = "helpers of tests may panic, too")]

use tenon_core::function::FunctionKind;
use tenon_runtime::compile::{InMemory, bundle, source_map::SourceMap};

const ACTION: &str = "
import { createAction } from 'nango';
import { z } from 'zod';
export default createAction({ description: 'd', input: z.void(), output: z.void(), exec: async () => {} });
";

pub(crate) fn complaints(files: &[(&str, &str)]) -> String {
    let files = InMemory::new(files.iter().copied());
    bundle(&files, "crm/actions/main.ts")
        .unwrap_err()
        .to_string()
}

/// Bundles, loads the bundle in an engine with a `require` that answers `{ name }`, and evaluates `probe` with the default
/// export as `definition`.
pub(crate) fn probe(files: &[(&str, &str)], probe: &str) -> String {
    let files = InMemory::new(files.iter().copied());
    let bundled = bundle(&files, "crm/actions/main.ts").unwrap();
    let runtime = rquickjs::Runtime::new().unwrap();
    let context = rquickjs::Context::full(&runtime).unwrap();
    context.with(|ctx| {
        let code = format!(
            "globalThis.answer = undefined; (function () {{ const module = {{ exports: {{}} }};
             (function (module, exports, require) {{ {}
             }})(module, module.exports, (name) => ({{ name, create: (x) => [name, x], z: {{ void: () => null }} }}));
             const definition = module.exports.default;
             return Promise.resolve((async () => {{ {probe} }})()).then((value) => globalThis.answer = String(value), (error) => globalThis.answer = `threw ${{error}}`); }})()",
            bundled.javascript
        );
        // As a worker does: a bundle says by itself what is strict.
        let mut options = rquickjs::context::EvalOptions::default();
        options.strict = false;
        let evaluated: rquickjs::Result<rquickjs::Value<'_>> = ctx.eval_with_options(code, options);
        if let Err(error) = rquickjs::CatchResultExt::catch(evaluated, &ctx) {
            panic!("{error}\n{}", bundled.javascript);
        }
        while ctx.execute_pending_job() {}
        ctx.globals().get::<_, String>("answer").unwrap()
    })
}

pub(crate) fn action(body: &str) -> String {
    format!(
        "import {{ createAction }} from 'nango';\nimport {{ z }} from 'zod';\n{body}\n
         const action = createAction({{ description: 'd', input: z.void(), output: z.void(), exec: async () => value() }});
         export default action;"
    )
}

#[test]
fn a_definition_carries_its_type() {
    assert_eq!(
        probe(&[("crm/actions/main.ts", ACTION)], "return definition.type"),
        "action"
    );
    let files = InMemory::new([("crm/actions/main.ts", ACTION)]);
    let bundled = bundle(&files, "crm/actions/main.ts").unwrap();
    assert_eq!(bundled.kind, FunctionKind::Action);
    assert_eq!(bundled.source, ACTION);
    assert_eq!(bundled.files, ["crm/actions/main.ts"]);
}

#[test]
fn types_disappear_and_values_stay() {
    let main = action(
        "import type { Shape } from './missing-because-it-is-only-a-type.js';
         import { type Other, limit } from '../limits.js';
         enum Level { Low = 1, High }
         interface Local { a?: Shape; b: Other }
         function value(): string { const local = { b: limit } as unknown as Local; return `${local.b as number} ${Level.High}`; }",
    );
    let limits = "export type Other = number; export const limit: Other = 7;";
    assert_eq!(
        probe(
            &[("crm/actions/main.ts", &main), ("crm/limits.ts", limits)],
            "return definition.exec()"
        ),
        "7 2"
    );
}

#[test]
fn cyclic_imports_see_later_values() {
    let main = action("import { first } from '../a.js';\nconst value = () => first();");
    let a = "import { second } from './b.js'; export let count = 0; export function first() { count += 1; return second(); }";
    let b = "import { count, first } from './a.js'; export const second = () => `${count} ${typeof first}`;";
    assert_eq!(
        probe(
            &[
                ("crm/actions/main.ts", &main),
                ("crm/a.ts", a),
                ("crm/b.ts", b)
            ],
            "await definition.exec(); return definition.exec()"
        ),
        "2 function"
    );
}

#[test]
fn every_form_of_export_arrives() {
    let main = action(
        "import * as all from '../lib/index.js';
         import anonymous, { named, renamed as other, 'odd name' as odd, shadow } from '../lib';
         const value = () => { const object = { named, all: typeof all }; { const named = 'inner'; object.inner = named; }
           return JSON.stringify([anonymous(), object, other, odd, all.deep.x, all.y, [...Object.keys(all)].sort(), shadow()]); };",
    )
    .replace("const object =", "const object: any =");
    let index = "
        export * from './star.js';
        export * as deep from './star.js';
        export { default as renamed } from './star.js';
        const local = 'odd'; export { local as 'odd name' };
        export const { named, ...rest } = { named: 'N', r: 1 };
        export class Thing {}
        export default function () { return 'anonymous'; }
        export { pass as shadow } from './pass.js';";
    let star = "export let x = 1; x = 2; export const y = 'y'; export default 'star default';";
    let pass = "import { y } from './star'; export function pass() { return y; }";
    let answer = probe(
        &[
            ("crm/actions/main.ts", &main),
            ("crm/lib/index.ts", index),
            ("crm/lib/star.ts", star),
            ("crm/lib/pass.ts", pass),
        ],
        "return definition.exec()",
    );
    assert_eq!(
        answer,
        r#"["anonymous",{"named":"N","all":"object","inner":"inner"},"star default","odd",2,"y",["Thing","deep","default","named","odd name","renamed","rest","shadow","x","y"],"y"]"#
    );
}

#[test]
fn json_and_common_js_files_can_be_imported() {
    let main = action(
        "import data, { list } from '../data.json';
         import * as legacy from '../legacy.cjs';
         import create from '../legacy.cjs';
         const value = () => JSON.stringify([data, list, legacy.create(1), create.create(2)]);",
    );
    let answer = probe(
        &[
            ("crm/actions/main.ts", &main),
            (
                "crm/data.json",
                r#"{ "list": [1, "</script>\u2028"], "__proto__": 1 }"#,
            ),
            (
                "crm/legacy.cjs",
                "module.exports = { create: (n) => n * 10 };",
            ),
        ],
        "return definition.exec()",
    );
    assert_eq!(
        answer,
        "[{\"list\":[1,\"</script>\u{2028}\"],\"__proto__\":1},[1,\"</script>\u{2028}\"],10,20]"
    );
}

#[test]
fn outside_modules_stay_requires() {
    let main = action(
        "import crypto from 'node:crypto';
         import { create as make } from 'url';
         import * as unzipper from 'unzipper';
         const soap = require('soap');
         const value = () => [crypto.name, make(1), unzipper.name, soap.name, typeof z].join();",
    );
    assert_eq!(
        probe(
            &[("crm/actions/main.ts", &main)],
            "return definition.exec()"
        ),
        "crypto,url,1,unzipper,soap,object"
    );
}

#[test]
fn dynamic_imports_load_when_called() {
    let main = action(
        "const value = async () => { const { late } = await import('../late.js'); return late; };",
    );
    let late = "export const late = 'loaded';";
    assert_eq!(
        probe(
            &[("crm/actions/main.ts", &main), ("crm/late.ts", late)],
            "return definition.exec()"
        ),
        "loaded"
    );
}

#[test]
fn a_called_import_has_no_this() {
    let main = action("import { who } from '../who.js';\nconst value = () => who();");
    let who = "export function who(this: unknown) { return this === undefined; }";
    assert_eq!(
        probe(
            &[("crm/actions/main.ts", &main), ("crm/who.ts", who)],
            "return definition.exec()"
        ),
        "true"
    );
}

#[test]
fn a_syntax_error_names_line_and_column() {
    let main = "import { createAction } from 'nango';\n\nexport default createAction({\n\texec: async () => { const = 1; },\n});\n";
    let text = complaints(&[("crm/actions/main.ts", main)]);
    assert_eq!(
        text,
        "crm/actions/main.ts:4:28: unexpected token\n  4 | \texec: async () => { const = 1; },\n    | \t                          ^"
    );
}

#[test]
fn refused_modules_come_with_advice() {
    let main = format!(
        "import axios from 'axios';\nimport fs from 'node:fs';\nvoid axios; void fs;{ACTION}"
    );
    let text = complaints(&[("crm/actions/main.ts", &main)]);
    assert_eq!(
        text,
        "crm/actions/main.ts:1:19: functions cannot import `axios`
  1 | import axios from 'axios';
    |                   ^^^^^^^
  hint: functions reach the outside through `nango.get`, `nango.post` and the like, or `nango.uncontrolledFetch`
crm/actions/main.ts:2:16: functions cannot import `node:fs`
  2 | import fs from 'node:fs';
    |                ^^^^^^^^^
  hint: functions run in a sandbox without files and processes"
    );
}

#[test]
fn missing_files_name_what_was_tried() {
    let main = format!("import {{ x }} from './gone.js';\nvoid x;{ACTION}");
    let text = complaints(&[("crm/actions/main.ts", &main)]);
    assert!(
        text.starts_with("crm/actions/main.ts:1:19: there is no file `./gone.js`\n"),
        "{text}"
    );
    assert!(
        text.contains("hint: looked for crm/actions/gone.ts, crm/actions/gone.js"),
        "{text}"
    );
}

#[test]
fn an_error_in_an_imported_file_names_that_file() {
    let main = format!("import {{ x }} from '../helper.js';\nvoid x;{ACTION}");
    let text = complaints(&[
        ("crm/actions/main.ts", &main),
        (
            "crm/helper.ts",
            "export const x = 1;\nexport const y = await x;\n",
        ),
    ]);
    assert!(
        text.starts_with("crm/helper.ts:2:18: `await` is not available at the top of a file\n"),
        "{text}"
    );
}

#[test]
fn wrong_exports_are_refused() {
    let cases = [
        ("const x = 1;", "1:1: this file has no default export"),
        (
            "export default { type: 'action' };",
            "1:1: the default export must be made by a definition function",
        ),
        (
            "const createAction = (x: unknown) => x;\nexport default createAction({});",
            "2:1: the default export must be made by a definition function of `nango`",
        ),
        (
            "import { createSync } from 'nango';\nexport default createSync(options());\nfunction options() { return {}; }",
            "2:1: a definition function takes one object literal",
        ),
        (
            "import { createSync } from 'nango';\nexport const helper = 1;\nexport default createSync({});",
            "2:14: `helper` may not be exported from the file of a function",
        ),
        (
            "import { createSync } from 'nango';\nexport { y } from './y.js';\nexport default createSync({});",
            "2:10: `y` may not be exported from the file of a function",
        ),
        (
            "import { createFunction } from 'nango/experimental';\nexport default createFunction({});",
            "2:1: the default export",
        ),
    ];
    for (main, expected) in cases {
        let text = complaints(&[("crm/actions/main.ts", main)]);
        let expected = format!("crm/actions/main.ts:{expected}");
        assert!(text.starts_with(&expected), "{main}\n{text}\n{expected}");
    }
}

#[test]
fn types_and_tolerated_names_may_be_exported() {
    let main = format!(
        "type A = string;\ninterface B {{ a: A }}\nexport type C = B;\nexport {{ A }};\nexport type {{ B }};{}",
        ACTION
            .replace("export default", "const action =")
            .replace("});", "});\nexport { action as default };")
    );
    assert_eq!(
        probe(&[("crm/actions/main.ts", &main)], "return definition.type"),
        "action"
    );
}

#[test]
fn places_in_the_bundle_lead_back_to_the_source() {
    let main = action("import { fail } from '../fail.js';\nconst value = () => fail();");
    let fail = "// a comment\n\nexport function fail(): never {\n    throw new Error('here');\n}\n";
    let files = InMemory::new([
        ("crm/actions/main.ts", main.as_str()),
        ("crm/fail.ts", fail),
    ]);
    let bundled = bundle(&files, "crm/actions/main.ts").unwrap();
    let lines: Vec<&str> = bundled.javascript.lines().collect();
    let line = lines
        .iter()
        .position(|line| line.contains("throw new"))
        .unwrap();
    let column = lines[line].find("throw").unwrap();
    let map = SourceMap::of_bundle(&bundled.javascript).unwrap();
    let place = map
        .locate(
            u32::try_from(line).unwrap() + 1,
            u32::try_from(column).unwrap() + 1,
        )
        .unwrap();
    assert_eq!(
        (place.file.as_str(), place.line, place.column),
        ("crm/fail.ts", 4, 5)
    );
}

#[test]
fn features_are_found_by_mention() {
    let main = action("const value = () => { /* nango.getCheckpoint() */ };");
    let files = InMemory::new([("crm/actions/main.ts", main)]);
    assert_eq!(
        bundle(&files, "crm/actions/main.ts").unwrap().features,
        ["checkpoints"]
    );
}
