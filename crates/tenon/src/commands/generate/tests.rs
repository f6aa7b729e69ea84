//! `tenon generate tests`: test files for vitest beside the fixtures, for teams that run both.

use std::{fs, path::Path};

use anyhow::Context as _;
use serde_json::{Map, Value, json};
use tenon_core::function::FunctionKind;

use super::Folder;
use crate::{commands::compile::CompiledFunction, ui};

const VITE_CONFIG: &str = "import { defineConfig } from 'vitest/config';

export default defineConfig({
    test: { globals: true, setupFiles: './vitest.setup.ts' }
});
";

const VITEST_SETUP: &str = "import { NangoActionMock, NangoSyncMock } from 'nango/test';

globalThis.vitest = { NangoActionMock, NangoSyncMock };
";

/// Where projects say which vitest they run.
const VITEST_VERSION: &str = "^2.1.9";

const HELP: &str = "\
`tenon test` needs none of these files: they are for projects that also run their fixtures with vitest and Node.

Examples:
  tenon generate tests
  tenon generate tests -i github -s issues";

/// Arguments of `tenon generate tests`.
#[derive(clap::Args, Debug, Clone)]
#[command(after_help = HELP)]
pub(crate) struct Args {
    /// Only functions of this integration
    #[arg(short, long, value_name = "INTEGRATION")]
    integration: Option<String>,
    /// Only the sync of this name
    #[arg(short, long, value_name = "NAME")]
    sync: Option<String>,
    /// Only the action of this name
    #[arg(short, long, value_name = "NAME")]
    action: Option<String>,
    #[command(flatten)]
    folder: Folder,
}

pub(super) fn run(args: &Args) -> anyhow::Result<()> {
    let root = &args.folder.root;
    let functions = super::compiled(root)?;
    let mut written = 0;
    for function in functions.iter().filter(|function| args.means(function)) {
        let definition = &function.definition;
        let (integration, name) = (&definition.integration, &definition.name);
        let fixture = format!("{integration}/tests/{name}.test.json");
        if !root.join(&fixture).is_file() {
            ui::say(format!(
                "skip {integration}/{name}: no fixture; `tenon dryrun {name} CONNECTION --save` records one"
            ));
            continue;
        }
        let path = format!("{integration}/tests/{integration}-{name}.test.ts");
        if root.join(&path).exists() {
            continue;
        }
        super::write(root, Path::new(&path), &test(function))?;
        written += 1;
    }
    for (path, text) in [
        ("vite.config.ts", VITE_CONFIG),
        ("vitest.setup.ts", VITEST_SETUP),
    ] {
        if written > 0 && !root.join(path).exists() {
            super::write(root, Path::new(path), text)?;
        }
    }
    if written > 0 {
        add_vitest(root)?;
    }
    ui::say(format!("{written} tests written"));
    Ok(())
}

impl Args {
    fn means(&self, function: &CompiledFunction) -> bool {
        let definition = &function.definition;
        let named = match definition.kind {
            _ if self.sync.is_none() && self.action.is_none() => true,
            FunctionKind::Sync => self.sync.as_ref() == Some(&definition.name),
            FunctionKind::Action => self.action.as_ref() == Some(&definition.name),
            FunctionKind::OnEvent => false,
        };
        let integration = self.integration.as_ref();
        let here = integration.is_none_or(|only| *only == definition.integration);
        named && here && definition.kind != FunctionKind::OnEvent
    }
}

fn test(function: &CompiledFunction) -> String {
    let definition = &function.definition;
    let (name, folder) = (&definition.name, &function.entry.folder);
    let model = definition.models.first().map_or("", String::as_str);
    let title = format!("{}/{name}", definition.integration);
    let mock = |class: &str| {
        format!(
            "new globalThis.vitest.{class}({{ dirname: __dirname, name: '{name}', Model: '{model}' }})"
        )
    };
    let import = format!(
        "import {{ expect, it }} from 'vitest';\nimport definition from '../{folder}/{name}.js';\n"
    );
    if definition.kind == FunctionKind::Action {
        let mock = mock("NangoActionMock");
        return format!(
            "{import}
it('{title} returns what was recorded', async () => {{
    const nango = {mock};
    const output = await definition.exec(nango, await nango.getInput());
    expect(output).toEqual(await nango.getOutput());
}});
"
        );
    }
    let models = json!(definition.models);
    let mock = mock("NangoSyncMock");
    format!(
        "{import}
for (const model of {models}) {{
    for (const [method, recorded] of [['batchSave', 'getBatchSaveData'], ['batchDelete', 'getBatchDeleteData']] as const) {{
        it(`{title} hands ${{model}} to ${{method}} as recorded`, async () => {{
            const nango = {mock};
            const handed: unknown[] = [];
            nango[method] = async (records: unknown[], name: string) => name === model && handed.push(...records);
            await definition.exec(nango);
            const expected = await nango[recorded](model);
            if (method === 'batchDelete' && !expected?.length) return;
            expect(JSON.parse(JSON.stringify(handed))).toStrictEqual(expected);
        }});
    }}
}}
"
    )
}

/// Names vitest in package.json; whatever else stands there stays.
fn add_vitest(root: &Path) -> anyhow::Result<()> {
    let path = root.join("package.json");
    let Ok(text) = fs::read_to_string(&path) else {
        return Ok(());
    };
    let mut package: Value =
        serde_json::from_str(&text).with_context(|| format!("`{}`", path.display()))?;
    let Some(package_fields) = package.as_object_mut() else {
        return Ok(());
    };
    let dependencies = package_fields
        .entry("devDependencies")
        .or_insert_with(|| Value::Object(Map::new()));
    match dependencies.as_object_mut() {
        Some(dependencies) if !dependencies.contains_key("vitest") => {
            dependencies.insert("vitest".to_owned(), json!(VITEST_VERSION));
        }
        _ => return Ok(()),
    }
    let text = serde_json::to_string_pretty(&package)?;
    super::write(root, Path::new("package.json"), &format!("{text}\n"))
}
