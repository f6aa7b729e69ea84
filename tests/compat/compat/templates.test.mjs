// The functions in templates/ compile, with types, and replay their fixtures; and the fixtures can fail.
import assert from 'node:assert/strict';
import { execFile } from 'node:child_process';
import { cp, mkdtemp, readdir, readFile, rm, symlink, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { basename, join } from 'node:path';
import { after, before, test } from 'node:test';

const INTEGRATIONS = [
    'github', 'gitlab', 'google-calendar', 'google-drive', 'hubspot', 'intercom', 'jira', 'linear', 'notion', 'oidc',
    'salesforce', 'shopify', 'slack', 'stripe', 'zendesk',
];
/** Each unified model, and how many integrations share it at least. */
const UNIFIED = { Ticket: 3, Contact: 6, Issue: 4, User: 3, File: 2 };

const here = import.meta.dirname;
const templates = join(here, '..', '..', '..', 'templates');
let folder, project, compiled, definitions;

before(async () => {
    folder = await mkdtemp(join(tmpdir(), 'tenon-templates-'));
    project = join(folder, 'project');
    await cp(templates, project, { recursive: true, filter: (path) => basename(path) !== 'node_modules' });
    await symlink(join(here, '..', 'node_modules'), join(project, 'node_modules'));
    compiled = await tenon('compile', project);
    definitions = JSON.parse(await readFile(join(project, '.nango', 'nango.json'), 'utf8'));
});
after(() => rm(folder, { recursive: true, force: true }));

/** Runs the binary; answers with its exit code and everything it printed. */
function tenon(...args) {
    return new Promise((resolve) => {
        execFile(process.env.TENON_BINARY, args, { timeout: 240_000, maxBuffer: 1 << 26 }, (error, stdout, stderr) =>
            resolve({ code: error ? error.code : 0, stdout, stderr }));
    });
}

/** The files below `root` whose path within it looks like this. */
async function filesOf(root, pattern) {
    return (await readdir(root, { recursive: true })).filter((path) => pattern.test(path) && !path.includes('node_modules'));
}

const functionsOf = ({ providerConfigKey, syncs, actions }) => [...syncs, ...actions].map(({ name }) => `${providerConfigKey}/${name}`);

test('all of them compile, with types and without a warning', () => {
    assert.deepEqual({ code: compiled.code, stderr: compiled.stderr }, { code: 0, stderr: '' }, compiled.stdout);
});

test('every integration has a sync and two actions, described', () => {
    assert.deepEqual(definitions.map((one) => one.providerConfigKey).sort(), INTEGRATIONS);
    for (const { providerConfigKey, syncs, actions } of definitions) {
        assert.ok(syncs.length >= 1 && actions.length >= 2, providerConfigKey);
        assert.ok([...syncs, ...actions].every((one) => one.description.length > 10 && one.version), providerConfigKey);
    }
});

test('what is not imported in index.ts is not forgotten', async () => {
    const files = await filesOf(templates, /^[^/]+\/(syncs|actions)\/[^/]+\.ts$/);
    assert.equal(files.length, definitions.flatMap(functionsOf).length);
});

test('the unified models are the same in every integration', () => {
    for (const [model, atLeast] of Object.entries(UNIFIED)) {
        const schemas = definitions.flatMap(({ syncs }) => syncs.flatMap((sync) => sync.json_schema.definitions[model] ?? []));
        assert.ok(schemas.length >= atLeast, `${model} is shared by ${schemas.length}`);
        schemas.forEach((schema) => assert.deepEqual(schema, schemas[0], model));
    }
});

test('every function replays its fixture', async () => {
    const { code, stdout, stderr } = await tenon('test', templates, '--json');
    const results = stdout.trim().split('\n').map((line) => JSON.parse(line));
    const passed = results.filter((one) => one.status === 'passed').map((one) => `${one.integration}/${one.function}`);
    assert.deepEqual(results.filter((one) => one.status !== 'passed'), []);
    assert.deepEqual([...new Set(passed)].sort(), definitions.flatMap(functionsOf).sort());
    assert.equal(code, 0, stderr);
});

test('every fixture fails when the function gives something else', async () => {
    const broken = join(folder, 'broken');
    await cp(templates, broken, { recursive: true });
    const files = await filesOf(broken, /^[^/]+\/tests\/[^/]+\.test\.json$/);
    for (const file of files) {
        const fixture = JSON.parse(await readFile(join(broken, file), 'utf8'));
        if (fixture.output) {
            fixture.output.unheardOf = true;
        } else {
            Object.values(fixture.nango.batchSave)[0].pop();
        }
        await writeFile(join(broken, file), JSON.stringify(fixture));
    }
    const { code, stdout } = await tenon('test', broken);
    assert.notEqual(code, 0);
    assert.match(stdout, new RegExp(`^0 passed, ${files.length} failed`, 'm'));
    for (const file of files) {
        assert.match(stdout, new RegExp(`FAIL ${file.split('/')[0]}/${basename(file, '.test.json')}`));
    }
});

test('nothing is of the type `any`', async () => {
    for (const file of await filesOf(templates, /\.ts$/)) {
        assert.doesNotMatch(await readFile(join(templates, file), 'utf8'), /(:|<|as) *any\b/, file);
    }
});
