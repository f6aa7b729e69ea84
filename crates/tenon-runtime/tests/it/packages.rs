//! Packages of `node_modules` in bundles: which file is meant, what it sees, and what is said where it cannot work.
//! The packages are ours, each as small as the rule it stands for.

use std::fmt::Write as _;

use tenon_runtime::compile::{Disk, InMemory, bundle};

use crate::compile::{action, complaints, probe};

/// Paths and texts.
type Files<'a> = &'a [(&'a str, &'a str)];

/// What an action answers that imports `imports` and evaluates `value`, with these files besides.
fn answer(imports: &str, value: &str, files: Files<'_>) -> String {
    let main = action(&format!("{imports}\nconst value = (): unknown => {value};"));
    let mut all = vec![("crm/actions/main.ts", main.as_str())];
    all.extend_from_slice(files);
    probe(&all, "return definition.exec()")
}

fn complaint(imports: &str, files: Files<'_>) -> String {
    let main = action(&format!("{imports}\nconst value = (): unknown => it;"));
    let mut all = vec![("crm/actions/main.ts", main.as_str())];
    all.extend_from_slice(files);
    complaints(&all)
}

const MODULE_PROJECT: (&str, &str) = ("package.json", r#"{ "type": "module" }"#);

#[test]
fn an_entry_is_found_by_each_field_that_names_one() {
    for (manifest, file) in [
        ("{}", "index.js"),
        (r#"{ "main": "./lib/main" }"#, "lib/main.js"),
        (r#"{ "main": "lib" }"#, "lib/index.js"),
        (r#"{ "module": "es.mjs" }"#, "es.mjs"),
        (r#"{ "main": "gone.js" }"#, "index.js"),
        (r#"{ "exports": "./x.js", "main": "wrong.js" }"#, "x.js"),
        (
            r#"{ "exports": { ".": { "types": "./t.d.ts", "import": { "node": "./n.js" }, "default": "./d.js" } } }"#,
            "n.js",
        ),
        (
            r#"{ "exports": { "browser": "./b.js", "default": "./d.js" } }"#,
            "d.js",
        ),
    ] {
        let file = format!("node_modules/tool/{file}");
        let code = "export const it = 'found';";
        let files = [
            ("node_modules/tool/package.json", manifest),
            (file.as_str(), code),
        ];
        let seen = answer("import { it } from 'tool';", "it", &files);
        assert_eq!(seen, "found", "{manifest}");
    }
}

#[test]
fn parts_of_packages_are_found() {
    let files = [
        (
            "node_modules/@acme/kit/package.json",
            r##"{ "exports": { "./*": "./lib/*.js", "./hidden": null }, "imports": { "#own": "./own.js" } }"##,
        ),
        (
            "node_modules/@acme/kit/lib/a.js",
            "import own from '#own'; export default 'a' + own;",
        ),
        ("node_modules/@acme/kit/own.js", "export default '!';"),
        ("node_modules/old/package.json", "{}"),
        ("node_modules/old/part.js", "exports.part = 'part';"),
        ("node_modules/old/data.json", r#"{ "list": [1] }"#),
        (
            "node_modules/old/folder/package.json",
            r#"{ "main": "in" }"#,
        ),
        ("node_modules/old/folder/in.js", "module.exports = 'in';"),
    ];
    let imports = "import a from '@acme/kit/a';
        import { part } from 'old/part';
        import data, { list } from 'old/data.json';
        import folder from 'old/folder';";
    assert_eq!(
        answer(
            imports,
            "JSON.stringify([a, part, data, list, folder])",
            &files
        ),
        r#"["a!","part",{"list":[1]},[1],"in"]"#
    );
    let hidden = complaint("import it from '@acme/kit/hidden';", &files);
    assert!(
        hidden.contains("the package `@acme/kit` does not export `./hidden`"),
        "{hidden}"
    );
}

#[test]
fn the_package_nearest_to_its_importer_is_taken() {
    let files = [
        ("node_modules/a/package.json", "{}"),
        (
            "node_modules/a/index.js",
            "module.exports = 'a with ' + require('shared') + ' and ' + require('other');",
        ),
        ("node_modules/a/node_modules/shared/package.json", "{}"),
        (
            "node_modules/a/node_modules/shared/index.js",
            "module.exports = 'its own';",
        ),
        ("node_modules/shared/package.json", "{}"),
        (
            "node_modules/shared/index.js",
            "module.exports = 'the common one';",
        ),
        ("node_modules/other/package.json", "{}"),
        ("node_modules/other/index.js", "module.exports = 'other';"),
    ];
    let imports = "import a from 'a';\nimport shared from 'shared';";
    assert_eq!(
        answer(imports, "[a, shared].join(' / ')", &files),
        "a with its own and other / the common one"
    );
}

#[test]
fn the_default_of_common_js_is_what_the_importer_declares() {
    let both = [
        ("node_modules/old/package.json", "{}"),
        (
            "node_modules/old/index.js",
            "exports.__esModule = true; exports.default = 'inner'; exports.named = 'named';",
        ),
        ("node_modules/fn/package.json", "{}"),
        (
            "node_modules/fn/index.js",
            "module.exports = function () { return 'called'; }; module.exports.part = 'part';",
        ),
    ];
    let imports = "import old, { named } from 'old';
        import * as space from 'old';
        import fn, { part } from 'fn';";
    let value = "JSON.stringify([typeof old === 'string' ? old : { ...old as object }, named, typeof space.default, (fn as any)(), part])";
    assert_eq!(
        answer(imports, value, &both),
        r#"["inner","named","string","called","part"]"#
    );
    let as_node = [&both[..], &[MODULE_PROJECT]].concat();
    assert_eq!(
        answer(imports, value, &as_node),
        r#"[{"__esModule":true,"default":"inner","named":"named"},"named","object","called","part"]"#
    );
}

#[test]
fn common_js_and_modules_mix_in_cycles() {
    let files = [
        ("node_modules/ring/package.json", "{}"),
        (
            "node_modules/ring/index.js",
            "exports.early = 1; const b = require('./b'); exports.late = 2; exports.seen = b.seen; exports.count = () => b.count();",
        ),
        (
            "node_modules/ring/b.js",
            "const a = require('./index'); exports.seen = Object.keys(a).join(); exports.count = () => Object.keys(a).length;",
        ),
        ("node_modules/es/package.json", r#"{ "type": "module" }"#),
        (
            "node_modules/es/index.js",
            "import ring from 'ring'; import { twice } from './twice.js'; export const base = ring.late; export const all = () => twice();",
        ),
        (
            "node_modules/es/twice.js",
            "import { base } from './index.js'; export function twice() { return base * 2; }",
        ),
        ("node_modules/back/package.json", "{}"),
        (
            "node_modules/back/index.js",
            "const es = require('es'); module.exports = es.all() + (es.__esModule ? 'm' : '');",
        ),
    ];
    let imports = "import ring from 'ring';\nimport back from 'back';";
    assert_eq!(
        answer(imports, "[ring.seen, ring.count(), back].join('|')", &files),
        "early|4|4m"
    );
}

#[test]
fn files_of_packages_see_what_node_gives_them() {
    let code = "
        'not a directive that matters';
        undeclared = 'sloppy';
        var root = typeof global == 'object' && global && global.Object === Object && global;
        exports.seen = [undeclared, this === exports, root === globalThis, typeof __dirname, process.env.NODE_ENV, typeof process.versions.node, (function () { return this === globalThis; })()];
        delete globalThis.undeclared;
        exports.later = (done) => process.nextTick(done, 'ticked');";
    let strict = "'use strict'; module.exports = (function () { return this === undefined; })();";
    let files = [
        ("node_modules/old/package.json", "{}"),
        ("node_modules/old/index.js", code),
        ("node_modules/strict/package.json", "{}"),
        ("node_modules/strict/index.js", strict),
    ];
    let imports = "import old from 'old';\nimport strict from 'strict';\nconst mine = (function (this: unknown) { return this === undefined; })();";
    assert_eq!(
        answer(
            imports,
            "JSON.stringify([old.seen, strict, mine, typeof process])",
            &files
        ),
        r#"[["sloppy",true,true,"string","production","undefined",true],true,true,"undefined"]"#
    );
}

#[test]
fn branches_for_development_are_left_out() {
    let files = [
        ("node_modules/ui/package.json", "{}"),
        (
            "node_modules/ui/index.js",
            "if (process.env.NODE_ENV === 'production') { module.exports = require('./fast'); } else { module.exports = require('fs'); }
             module.exports.extra = process.env.NODE_ENV !== 'production' ? require('path') : 'none';
             if ('production' !== process.env.NODE_ENV && module.exports) { require('os'); }",
        ),
        ("node_modules/ui/fast.js", "exports.it = 'fast';"),
    ];
    assert_eq!(
        answer("import { it, extra } from 'ui';", "it + extra", &files),
        "fastnone"
    );
}

#[test]
fn a_build_for_browsers_stands_in_where_node_is_missing() {
    let files = [
        // By condition, found out two packages away.
        (
            "node_modules/outer/package.json",
            r#"{ "exports": { "node": "./node.js", "default": "./other.js" } }"#,
        ),
        (
            "node_modules/outer/node.js",
            "module.exports = require('inner');",
        ),
        ("node_modules/outer/other.js", "module.exports = 'other';"),
        ("node_modules/inner/package.json", "{}"),
        (
            "node_modules/inner/index.js",
            "module.exports = require('fs');",
        ),
        // By a file that is left out.
        (
            "node_modules/shown/package.json",
            r#"{ "browser": { "./inspect.js": false, "tty": "./tty.js" } }"#,
        ),
        (
            "node_modules/shown/index.js",
            "const inspect = require('./inspect'); const tty = require('tty'); module.exports = [typeof inspect, tty].join();",
        ),
        (
            "node_modules/shown/inspect.js",
            "module.exports = require('util').inspect;",
        ),
        ("node_modules/shown/tty.js", "module.exports = 'no tty';"),
        // By another entry.
        (
            "node_modules/split/package.json",
            r#"{ "main": "main.js", "browser": "browser.js" }"#,
        ),
        (
            "node_modules/split/main.js",
            "module.exports = require('stream');",
        ),
        ("node_modules/split/browser.js", "module.exports = 'split';"),
        // Relative names in the field start at the package, not at whoever imports.
        (
            "node_modules/nested/package.json",
            r#"{ "main": "dist/index.js", "browser": { "./dist/index.js": "./browser/index.js" } }"#,
        ),
        (
            "node_modules/nested/dist/index.js",
            "module.exports = require('process');",
        ),
        (
            "node_modules/nested/browser/index.js",
            "module.exports = require('./dist/index.js');",
        ),
        (
            "node_modules/nested/browser/dist/index.js",
            "module.exports = 'nested';",
        ),
        // Not where Node is enough.
        (
            "node_modules/plain/package.json",
            r#"{ "main": "main.js", "browser": "browser.js" }"#,
        ),
        (
            "node_modules/plain/main.js",
            "module.exports = require('node:url').name;",
        ),
        ("node_modules/plain/browser.js", "module.exports = 'wrong';"),
    ];
    let imports = "import outer from 'outer';\nimport shown from 'shown';\nimport split from 'split';\nimport nested from 'nested';\nimport plain from 'plain';";
    assert_eq!(
        answer(
            imports,
            "[outer, shown, split, nested, plain].join(' ')",
            &files
        ),
        "other object,no tty split nested url"
    );
}

#[test]
fn a_package_may_stand_in_for_a_module_of_node() {
    let files = [
        ("node_modules/user/package.json", "{}"),
        (
            "node_modules/user/index.js",
            "module.exports = require('node:events').it + require('events/').it;",
        ),
        ("node_modules/events/package.json", "{}"),
        ("node_modules/events/index.js", "exports.it = 'on';"),
    ];
    let imports = "import user from 'user';\nimport { it } from 'events';";
    assert_eq!(answer(imports, "user + it", &files), "ononon");
}

#[test]
fn packages_find_modules_of_node_that_are_only_code() {
    let code = "
        const EventEmitter = require('node:events'); const path = require('path'); const { setTimeout: later } = require('timers');
        function Old() { EventEmitter.call(this); } Object.setPrototypeOf(Old.prototype, EventEmitter.prototype);
        class New extends EventEmitter {}
        const seen = []; const old = new Old();
        old.on('x', (a) => seen.push('on' + a)); old.once('x', (a) => seen.push('once' + a)); old.prependListener('x', () => seen.push('first'));
        old.emit('x', 1); old.emit('x', 2); seen.push(old.listenerCount('x'), new New().emit('y'), old.eventNames().join());
        try { new New().emit('error', new RangeError('unheard')); } catch (error) { seen.push(error.name); }
        exports.events = seen; exports.later = typeof later;
        exports.paths = [path.join('/a', '../b', './c.tar.gz'), path.extname('x/c.tar.gz'), path.basename('/b/c.js', '.js'), path.dirname('/b/c'), path.dirname('c'),
            path.resolve('a', '/b', '../c'), path.relative('/a/b', '/a/c/d'), path.normalize('./a//b/../'), path.format(path.parse('/h/u/f.txt')), path.join(''), path.extname('.env')];";
    let files = [
        ("node_modules/user/package.json", "{}"),
        ("node_modules/user/index.js", code),
    ];
    // What Node 20 answers.
    assert_eq!(
        answer("import user from 'user';", "JSON.stringify(user)", &files),
        r#"{"events":["first","on1","once1","first","on2",2,false,"x","RangeError"],"later":"undefined","paths":["/b/c.tar.gz",".gz","c","/b",".","/c","../c/d","a/","/h/u/f.txt",".",""]}"#
    );
    // Files of the project have the list of the reference.
    let text = complaint("import it from 'node:path';", &files);
    assert!(
        text.contains("functions cannot import `node:path`"),
        "{text}"
    );
}

#[test]
fn what_is_only_tried_may_be_missing() {
    let files = [
        ("node_modules/careful/package.json", "{}"),
        (
            "node_modules/careful/index.js",
            "let found; try { found = require('fs'); } catch (error) { found = error.code; }
             exports.found = found;
             exports.later = () => import('not-installed').catch((error) => error.message);
             exports.named = (name) => import(name).catch((error) => error.code);",
        ),
    ];
    let value = "(async () => [careful.found, await careful.later(), await careful.named('x')].join(' / '))()";
    assert_eq!(
        answer("import careful from 'careful';", value, &files),
        "MODULE_NOT_FOUND / Cannot find module 'not-installed' / MODULE_NOT_FOUND"
    );
}

#[test]
fn a_module_that_only_node_has_is_named_with_the_way_to_it() {
    let files = [
        ("node_modules/report/package.json", "{}"),
        (
            "node_modules/report/index.js",
            "module.exports = require('./lib/write');",
        ),
        (
            "node_modules/report/lib/write.js",
            "module.exports = require('disk');",
        ),
        ("node_modules/disk/package.json", r#"{ "type": "module" }"#),
        (
            "node_modules/disk/index.js",
            "import fs from 'node:fs'; export default fs;",
        ),
    ];
    assert_eq!(
        complaint("\nimport it from 'report';", &files),
        "crm/actions/main.ts:4:16: the package `disk` needs `node:fs`, which functions do not have
  4 | import it from 'report';
    |                ^^^^^^^^
  hint: functions run in a sandbox without files and processes; imported by way of crm/actions/main.ts > node_modules/report/index.js > node_modules/report/lib/write.js > node_modules/disk/index.js"
    );
}

#[test]
fn what_is_not_there_is_named() {
    let report = |code| {
        [
            ("node_modules/report/package.json", "{}"),
            ("node_modules/report/index.js", code),
        ]
    };
    let cases: [(&str, Files<'_>, &str); 6] = [
        (
            "import it from 'lodash';",
            &[],
            "there is no package `lodash` in node_modules",
        ),
        (
            "import it from 'report';",
            &report("require('chart')"),
            "the package `report` needs the package `chart`, which is not in node_modules",
        ),
        (
            "import it from 'report';",
            &report("require('./gone')"),
            "the package `report` has no file `node_modules/report/gone`",
        ),
        (
            "import it from 'report';",
            &report("require('axios')"),
            "the package `report` needs `axios`, which functions do not have",
        ),
        (
            "import it from 'report';",
            &report("import x from './native.node'; export default x;"),
            "the package `report` has no file `node_modules/report/native.node`",
        ),
        (
            "import it from 'report';",
            &report("module.exports = (a) => a.constructor('code');"),
            "node_modules/report/index.js:1:25: `constructor` may not be called",
        ),
    ];
    for (imports, files, expected) in cases {
        let text = complaint(imports, files);
        assert!(text.contains(expected), "{text}\n{expected}");
    }
}

#[test]
fn what_packages_bring_is_limited() {
    let deep: Vec<(String, String)> = (0..300)
        .map(|number| {
            let next = number + 1;
            (
                format!("node_modules/deep/f{number}.js"),
                format!("exports.n = require('./f{next}');"),
            )
        })
        .collect();
    let mut files = vec![("node_modules/deep/package.json", r#"{ "main": "f0.js" }"#)];
    files.extend(
        deep.iter()
            .map(|(path, text)| (path.as_str(), text.as_str())),
    );
    let text = complaint("import it from 'deep';", &files);
    assert!(text.contains("more than 250 files deep"), "{text}");
    assert!(text.contains("> ... >"), "{text}");

    let mut many = String::new();
    for number in 0..3_001 {
        writeln!(many, "require('./f{number}');").unwrap();
    }
    let wide: Vec<String> = (0..3_001)
        .map(|number| format!("node_modules/wide/f{number}.js"))
        .collect();
    let mut files = vec![
        ("node_modules/wide/package.json", "{}"),
        ("node_modules/wide/index.js", many.as_str()),
    ];
    files.extend(wide.iter().map(|path| (path.as_str(), "")));
    let text = complaint("import it from 'wide';", &files);
    assert!(text.contains("more than 3000 files"), "{text}");

    let large = format!("module.exports = '{}';", "x".repeat(9 * 1024 * 1024));
    let files = [
        ("node_modules/large/package.json", "{}"),
        (
            "node_modules/large/index.js",
            "require('./a'); require('./b');",
        ),
        ("node_modules/large/a.js", large.as_str()),
        ("node_modules/large/b.js", large.as_str()),
    ];
    let text = complaint("import it from 'large';", &files);
    assert!(text.contains("more than 16777216 bytes"), "{text}");
}

#[test]
fn bundles_without_packages_hold_nothing_of_this() {
    let main = action("import { x } from '../x.js';\nconst value = () => x;");
    let files = InMemory::new([
        ("crm/actions/main.ts", main.as_str()),
        ("crm/x.ts", "export const x = 1;"),
        ("package.json", r#"{ "type": "module" }"#),
    ]);
    let text = bundle(&files, "crm/actions/main.ts").unwrap().javascript;
    assert!(text.starts_with("\"use strict\";\n"), "{text}");
    for name in [
        "__tenon_from_package",
        "__tenon_globals",
        "__tenon_require_",
    ] {
        assert!(!text.contains(name), "{name}");
    }
}

#[cfg(unix)]
#[test]
fn links_are_followed_inside_the_project_only() {
    use std::{fs, os::unix::fs::symlink};

    let root = std::env::temp_dir().join(format!("tenon-packages-{}", std::process::id()));
    let project = root.join("project");
    let write = |path: &str, text: &str| {
        let path = root.join(path);
        fs::create_dir_all(path.parent().unwrap()).unwrap();
        fs::write(path, text).unwrap();
    };
    let main = |name: &str| {
        action(&format!(
            "import {{ it }} from '{name}';\nconst value = () => it;"
        ))
    };
    write("project/crm/actions/main.ts", &main("linked"));
    write("project/crm/actions/secret.ts", &main("secret"));
    write("project/crm/actions/leaf.ts", &main("leaf"));
    let store = "project/node_modules/.store/linked@1/node_modules";
    write(&format!("{store}/linked/package.json"), "{}");
    write(
        &format!("{store}/linked/index.js"),
        "exports.it = require('sibling');",
    );
    write(&format!("{store}/sibling/package.json"), "{}");
    write(&format!("{store}/sibling/index.js"), "module.exports = 1;");
    write("outside/package.json", "{}");
    write("outside/index.js", "exports.it = 'secret';");
    write("project/node_modules/leaf/package.json", "{}");
    let modules = project.join("node_modules");
    symlink(
        ".store/linked@1/node_modules/linked",
        modules.join("linked"),
    )
    .unwrap();
    symlink("../../outside", modules.join("secret")).unwrap();
    symlink("../../../outside/index.js", modules.join("leaf/index.js")).unwrap();

    let files = Disk::new(&project);
    let bundled = bundle(&files, "crm/actions/main.ts").unwrap();
    assert_eq!(
        bundled.files[1..],
        [
            "node_modules/.store/linked@1/node_modules/linked/index.js",
            "node_modules/.store/linked@1/node_modules/sibling/index.js"
        ]
    );
    for name in ["secret", "leaf"] {
        let error = bundle(&files, &format!("crm/actions/{name}.ts")).unwrap_err();
        let text = error.to_string();
        assert!(text.contains("it lies outside the project"), "{text}");
        assert!(!text.contains("exports.it"), "{text}");
    }
    fs::remove_dir_all(&root).unwrap();
}
