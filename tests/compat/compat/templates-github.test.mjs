// A template at work: copied into a project, deployed, and run against a GitHub that nobody here wrote.
import assert from 'node:assert/strict';
import { cp, mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { after, before, test } from 'node:test';
import { GitHub } from '../lib/emulate.mjs';
import { githubIntegration, githubProviderFile, tenonDeploy } from '../lib/project.mjs';
import { Receiver } from '../lib/receiver.mjs';
import { Server, until } from '../lib/server.mjs';

const templates = join(import.meta.dirname, '..', '..', '..', 'templates');
const headers = { 'provider-config-key': 'github', 'connection-id': 'alice' };
const repository = { owner: 'octocat', repository: 'hello' };
let folder, github, receiver, server;

before(async () => {
    folder = await mkdtemp(join(tmpdir(), 'tenon-templates-'));
    for (const part of ['github', 'models']) await cp(join(templates, part), join(folder, part), { recursive: true });
    await writeFile(join(folder, 'index.ts'), `import './github/syncs/issues.js';
import './github/actions/create-issue.js';
import './github/actions/update-issue.js';
`);
    github = await GitHub.start('http://localhost/oauth/callback');
    await github.createIssues(150);
    receiver = await Receiver.start();
    server = await Server.start({ flags: ['--providers', await githubProviderFile(folder, github.url)] });
    await server.ok('PATCH', '/environment', { webhook_settings: { primary_url: receiver.url } });
    await githubIntegration(server, github);
    await tenonDeploy(server, [], folder);
});

after(async () => {
    await server?.stop();
    await receiver?.stop();
    await github?.stop();
    await rm(folder, { recursive: true, force: true });
});

const act = (name, input) => server.api('POST', '/action/trigger', { action_name: name, input: { ...repository, ...input } }, headers);

/** What the nth run announced. */
async function announced(nth) {
    const hooks = await until(`webhook ${nth}`, () => receiver.of('sync').length >= nth && receiver.of('sync'));
    return hooks[nth - 1].json.responseResults;
}

test('the first run brings all issues, two pages of them', async () => {
    await server.ok('POST', '/connections', {
        provider_config_key: 'github',
        connection_id: 'alice',
        credentials: { type: 'OAUTH2', access_token: github.token },
    });
    await server.ok('POST', '/connections/metadata', { provider_config_key: 'github', connection_id: 'alice', metadata: repository });
    await server.ok('POST', '/sync/start', { provider_config_key: 'github', connection_id: 'alice', syncs: ['issues'] });
    assert.deepEqual(await announced(1), { added: 150, updated: 0, deleted: 0 });
});

test('actions write back and answer with the unified model', async () => {
    const { status, json: issue } = await act('create-issue', { title: 'Printer on fire', labels: ['bug'] });
    assert.equal(status, 200);
    assert.deepEqual([issue.key, issue.title, issue.status, issue.labels], ['#151', 'Printer on fire', 'open', ['bug']]);
    assert.equal((await act('update-issue', { number: 3, status: 'done' })).json.status, 'done');
});

test('an action says what is wrong with its input', async () => {
    const nothing = await act('update-issue', { number: 3 });
    assert.deepEqual([nothing.status, nothing.json.error.payload.code], [500, 'nothing_to_change']);
    const invalid = await act('create-issue', { title: ' ' });
    assert.deepEqual([invalid.status, invalid.json.error.code], [500, 'action_script_runtime_error']);
});

test('the next run begins at the checkpoint and announces only what has changed', async () => {
    const { syncs } = await server.ok('GET', '/sync/status?provider_config_key=github&connection_id=alice&syncs=issues');
    assert.match(syncs[0].checkpoint.since, /^\d{4}-\d\d-\d\dT/);
    await server.ok('POST', '/sync/trigger', { provider_config_key: 'github', connection_id: 'alice', syncs: ['issues'] });
    assert.deepEqual(await announced(2), { added: 1, updated: 1, deleted: 0 });
    const { records } = await server.ok('GET', '/records?model=Issue&filter=updated', undefined, headers);
    assert.deepEqual(records.map(({ key, status }) => ({ key, status })), [{ key: '#3', status: 'done' }]);
});
