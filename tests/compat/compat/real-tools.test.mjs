// `tenon compile` beside what it works with in a real project: TypeScript's own compiler, and packages of others.
import assert from 'node:assert/strict';
import { execFile } from 'node:child_process';
import { cp, mkdir, mkdtemp, rm, symlink, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { dirname, join } from 'node:path';
import { after, before, test } from 'node:test';

const modules = join(import.meta.dirname, '..', 'node_modules');
let folder;

before(async () => {
    folder = await mkdtemp(join(tmpdir(), 'tenon-tools-'));
});
after(() => rm(folder, { recursive: true, force: true }));

/** A project with these files and the packages of the lock file. */
async function project(name, files, packages) {
    const root = join(folder, name);
    for (const [path, text] of Object.entries(files)) {
        await mkdir(dirname(join(root, path)), { recursive: true });
        await writeFile(join(root, path), text);
    }
    await packages(root);
    return root;
}

/** Runs the binary; answers with its exit code and everything it printed. */
function tenon(root, ...args) {
    return new Promise((resolve) => {
        execFile(process.env.TENON_BINARY, args, { cwd: root, timeout: 240_000 }, (error, stdout, stderr) => resolve({ code: error ? error.code : 0, stdout, stderr }));
    });
}

const action = (imports, body, output = 'z.object({ text: z.string() })') => `import { createAction } from 'nango';
import { z } from 'zod';
${imports}
export default createAction({
    description: 'd', input: z.object({ count: z.number() }), output: ${output},
    exec: async (nango, input) => {
        ${body}
    }
});
`;

test('what the real tsc complains about is shown with its place', async () => {
    const right = action('', 'return { text: String(input.count) };');
    const files = { 'index.ts': "import './desk/actions/show.js';\n", 'package.json': '{ "type": "module" }', 'desk/actions/show.ts': right };
    const root = await project('types', files, (root) => symlink(modules, join(root, 'node_modules')));
    assert.equal((await tenon(root, 'compile')).code, 0);

    await writeFile(join(root, 'desk/actions/show.ts'), right.replace('String(input.count)', 'input.count'));
    const wrong = await tenon(root, 'compile');
    assert.equal(wrong.code, 10, wrong.stdout);
    assert.match(wrong.stderr, /desk\/actions\/show\.ts:\d+:\d+: .*not assignable.*\(TS\d+\)/);
    assert.equal((await tenon(root, 'compile', '--no-type-check')).code, 0);
});

test('packages of others are bundled and run', async () => {
    // standardwebhooks is CommonJS made from TypeScript, with two dependencies of other makes.
    const body = `const webhook = new Webhook('whsec_' + Buffer.from('secret').toString('base64'));
        return { text: webhook.sign('m1', new Date(1_000), String(input.count)) };`;
    const root = await project(
        'packages',
        {
            'package.json': '{ "type": "module" }',
            'desk/actions/sign.ts': action("import { Webhook } from 'standardwebhooks';", body),
            'desk/tests/sign.test.json': JSON.stringify({ input: { count: 7 }, output: { text: await expected() }, api: {}, nango: {} }),
        },
        async (root) => {
            for (const name of ['standardwebhooks', '@stablelib/base64', 'fast-sha256']) {
                const place = join(root, 'node_modules', name);
                await mkdir(dirname(place), { recursive: true });
                await cp(join(modules, name), place, { recursive: true });
            }
        },
    );
    const ran = await tenon(root, 'test');
    assert.deepEqual([ran.code, ran.stdout], [0, '1 passed, 0 failed\n'], ran.stderr);
});

/** What the package answers under Node. */
async function expected() {
    const { Webhook } = await import('standardwebhooks');
    return new Webhook('whsec_' + Buffer.from('secret').toString('base64')).sign('m1', new Date(1_000), '7');
}

test('a package outside the project is not read', async () => {
    const files = { 'index.ts': "import './desk/actions/sign.js';\n", 'desk/actions/sign.ts': action("import { Webhook } from 'standardwebhooks';", "return { text: typeof Webhook };") };
    const root = await project('outside', files, (root) => symlink(modules, join(root, 'node_modules')));
    const ran = await tenon(root, 'compile', '--no-type-check');
    assert.equal(ran.code, 10);
    assert.match(ran.stderr, /`node_modules\/standardwebhooks` cannot be bundled: it lies outside the project/);
});
