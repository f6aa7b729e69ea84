// Functions from source, without a project: compiled, tried out, deployed, compared, reverted.
import assert from 'node:assert/strict';
import { after, before, test } from 'node:test';
import { Server, until } from '../lib/server.mjs';

let server;

before(async () => {
    server = await Server.start();
    await server.ok('POST', '/integrations', { unique_key: 'open', provider: 'unauthenticated' });
    await server.ok('POST', '/connections', { provider_config_key: 'open', connection_id: 'alice', credentials: { type: 'NONE' }, metadata: { region: 'eu' } });
});

after(() => server?.stop());

const action = (text) => `
import { createAction } from 'nango';
import { z } from 'zod';

export default createAction({
    description: 'Greets',
    input: z.object({ name: z.string() }),
    output: z.object({ text: z.string() }),
    exec: async (nango, input) => {
        await nango.log('greeting');
        const metadata = await nango.getMetadata();
        return { text: \`${text} \${input.name} in \${metadata.region}\` };
    },
});
`;

const sync = `
import { createSync } from 'nango';
import { z } from 'zod';

const Item = z.object({ id: z.string(), n: z.number() });

export default createSync({
    description: 'Items',
    frequency: 'every hour',
    models: { Item },
    checkpoint: z.object({ page: z.number() }),
    exec: async (nango) => {
        const at = await nango.getCheckpoint();
        await nango.batchSave([{ id: '1', n: at?.page ?? 0 }, { id: '2', n: 2 }], 'Item');
        await nango.batchDelete([{ id: '9', n: 9 }], 'Item');
        await nango.saveCheckpoint({ page: 7 });
        await nango.setMetadata({ seen: true });
    },
});
`;

async function ended(path, body) {
    const begun = await server.api('POST', path, body);
    assert.equal(begun.status, 202, begun.text);
    assert.equal(begun.json.status, 'waiting');
    return until('the job to end', async () => {
        const job = (await server.api('GET', `${path}/${begun.json.id}`)).json;
        return ['success', 'failed'].includes(job.status) && job;
    });
}

const dryrun = (more) => ended('/functions/dryruns', { integration_id: 'open', function_type: 'action', code: action('Hello'), connection_id: 'alice', ...more });

test('source is compiled, or refused with its place', async () => {
    const good = await server.api('POST', '/functions/compile', { code: action('Hello') });
    assert.equal(good.status, 200, good.text);
    assert.equal(good.json.bundle_size_bytes, Buffer.byteLength(good.json.bundled_js));
    assert.ok(!good.json.bundled_js.includes('createAction('));
    const bad = await server.api('POST', '/functions/compile', { code: 'export default createAction({' });
    assert.equal(bad.status, 400);
    assert.equal(bad.json.error.code, 'compilation_error');
    assert.match(bad.json.error.message, /function\.ts:\d+:\d+/);
    const outside = await server.api('POST', '/functions/compile', { code: `import { help } from './helper.js';\nhelp();\n${action('x')}` });
    assert.equal(outside.json.error.code, 'compilation_error');
});

test('code that is deeper than anybody writes harms nobody', async () => {
    const size = 200_000;
    const deep = ['('.repeat(size), '!'.repeat(size) + '1', '['.repeat(size), 'a=>'.repeat(size / 3) + '1', '{'.repeat(size), '-'.repeat(3) + ' -'.repeat(size / 2) + '1', `type A = ${'B<'.repeat(size / 2)}`];
    for (const code of deep) {
        const answer = await server.api('POST', '/functions/compile', { code: `export default ${code}` });
        assert.equal(answer.status, 400, code.slice(0, 20));
        assert.equal(answer.json.error.code, 'compilation_error');
    }
    assert.equal((await server.api('GET', '/health')).status, 200);
});

test('an action is tried out', async () => {
    const job = await dryrun({ input: { name: 'Ada' } });
    assert.equal(job.status, 'success', JSON.stringify(job));
    assert.deepEqual(job.output, { text: 'Hello Ada in eu' });
    assert.equal(job.result.logs[0].message, 'greeting');
    const other = await dryrun({ input: { name: 'Ada' }, metadata: { region: 'us' } });
    assert.deepEqual(other.output, { text: 'Hello Ada in us' });
    const thrown = await dryrun({ code: action('Hello').replace("await nango.log('greeting');", "throw new nango.ActionError({ message: 'no' });") });
    assert.equal(thrown.status, 'failed');
    assert.equal(thrown.error.code, 'dryrun_error');
    assert.equal(thrown.error.payload.type, 'action_script_runtime_error');
});

test('a sync is tried out and writes nothing', async () => {
    const job = await dryrun({ function_type: 'sync', code: sync, checkpoint: { page: 3 } });
    assert.equal(job.status, 'success', JSON.stringify(job));
    assert.deepEqual(job.result.batchSave.Item, [{ id: '1', n: 3 }, { id: '2', n: 2 }]);
    assert.deepEqual(job.result.counts.deleted, { Item: 1 });
    assert.deepEqual(job.result.checkpoint, { page: 7 });
    assert.deepEqual(job.result.metadata, { seen: true });
    const records = await server.api('GET', '/records?model=Item', undefined, { 'provider-config-key': 'open', 'connection-id': 'alice' });
    assert.deepEqual(records.json.records, []);
    const connection = await server.api('GET', '/connections/alice?provider_config_key=open');
    assert.deepEqual(connection.json.metadata, { region: 'eu' });
});

test('a function is deployed without a project, compared and reverted', async () => {
    const deploy = (code) => ended('/functions/deployments', { type: 'function', integration_id: 'open', function_name: 'greet', function_type: 'action', code });
    const greet = async () => {
        const answer = await server.api('POST', '/action/trigger', { action_name: 'greet', input: { name: 'Ada' } }, { 'provider-config-key': 'open', 'connection-id': 'alice' });
        return answer.json.text;
    };
    const first = await deploy(action('Hello'));
    assert.equal(first.status, 'success', JSON.stringify(first));
    assert.equal(first.deployed, true);
    assert.deepEqual(first.deployed_functions, [{ name: 'greet', version: '1', type: 'action', integration_id: 'open' }]);
    assert.equal(await greet(), 'Hello Ada in eu');
    const second = await deploy(action('Salut'));
    assert.equal(second.deployed_functions[0].version, '2');
    assert.equal(await greet(), 'Salut Ada in eu');
    const shown = await server.api('GET', '/integrations/open/functions/greet/code?type=action');
    assert.equal(shown.json.code, action('Salut'));

    const { deployments } = (await server.api('GET', '/deployments')).json;
    const changed = (await server.api('GET', `/deployments/${deployments[0].id}/diff`)).json.functions;
    assert.equal(changed.length, 1);
    assert.match(changed[0].code, /^-.*Hello.*\n\+.*Salut/m);
    assert.equal((await server.api('POST', `/deployments/${deployments[1].id}/revert`)).status, 200);
    assert.equal(await greet(), 'Hello Ada in eu');

    const wrong = await deploy(sync);
    assert.equal(wrong.error.code, 'validation_error');
    const items = (code) => ended('/functions/deployments', { type: 'function', integration_id: 'open', function_name: 'items', function_type: 'sync', code });
    assert.equal((await items(sync)).status, 'success');
    const renamed = await items(sync.replaceAll('Item', 'Thing'));
    assert.equal(renamed.error.code, 'deployment_error');
    assert.match(renamed.error.message, /allow_destructive/);
});
