// Every method of the published Node client (auth-and-proxy.md, 2.1) against the binary.
import assert from 'node:assert/strict';
import { createServer } from 'node:http';
import { mkdtemp, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { after, before, test } from 'node:test';
import { Nango } from '@nangohq/node';
import { tenonDeploy } from '../lib/project.mjs';
import { Server, until } from '../lib/server.mjs';

let upstream, server, nango;
const seen = [];

before(async () => {
    upstream = createServer((request, response) => {
        const chunks = [];
        request.on('data', (chunk) => chunks.push(chunk));
        request.on('end', () => {
            seen.push({ method: request.method, url: request.url, headers: request.headers, body: Buffer.concat(chunks).toString() });
            const { pathname, searchParams } = new URL(request.url, 'http://x');
            response.setHeader('content-type', 'application/json');
            if (pathname === '/items') {
                const offset = Number(searchParams.get('offset') ?? 0);
                const items = Array.from({ length: 25 }, (_, number) => ({ id: `item-${number}`, value: number, note: 'n' }));
                return response.end(JSON.stringify({ items: items.slice(offset, offset + 100) }));
            }
            if (pathname === '/created') response.statusCode = 201;
            if (pathname === '/missing') response.statusCode = 404;
            return response.end(JSON.stringify({ method: request.method, key: request.headers['x-key'] ?? null }));
        });
    });
    await new Promise((done) => upstream.listen(0, '127.0.0.1', done));
    const folder = await mkdtemp(join(tmpdir(), 'tenon-providers-'));
    const base = `http://127.0.0.1:${upstream.address().port}`;
    await writeFile(
        join(folder, 'providers.yaml'),
        `keyed:
    display_name: Keyed
    categories: [other]
    auth_mode: API_KEY
    proxy: { base_url: "${base}", headers: { x-key: "\${apiKey}" } }
    credentials: { apiKey: { type: string, title: Key, description: Any } }
    docs: https://example.test/docs
ledger:
    display_name: Ledger
    categories: [other]
    auth_mode: NONE
    proxy: { base_url: "${base}" }
    docs: https://example.test/docs
`,
    );
    server = await Server.start({ flags: ['--providers', join(folder, 'providers.yaml')] });
    nango = new Nango({ secretKey: server.secretKey, host: server.url });
});

after(async () => {
    await server?.stop();
    upstream?.closeAllConnections();
    upstream?.close();
});

const fails = (promise, status, code) =>
    assert.rejects(promise, (error) => {
        assert.equal(error.response?.status, status);
        assert.equal(error.response.data.error.code, code);
        return true;
    });

test('listProviders, getProvider, getProviderTemplates', async () => {
    const { data } = await nango.listProviders({ search: 'keye' });
    assert.deepEqual(data.map((provider) => provider.name), ['keyed']);
    assert.ok((await nango.listProviders({})).data.length > 30);
    const one = await nango.getProvider({ provider: 'keyed' });
    assert.equal(one.data.auth_mode, 'API_KEY');
    assert.ok(Array.isArray((await nango.getProviderTemplates({ provider: 'keyed' })).data));
    await fails(nango.getProvider({ provider: 'nobody' }), 404, 'not_found');
});

test('createIntegration, listIntegrations, getIntegration, updateIntegration, deleteIntegration', async () => {
    const created = await nango.createIntegration({ provider: 'keyed', unique_key: 'keyed', display_name: 'Keyed One' });
    assert.equal(created.data.unique_key, 'keyed');
    await nango.createIntegration({ provider: 'ledger', unique_key: 'ledger' });
    await nango.createIntegration({ provider: 'keyed', unique_key: 'short-lived' });
    assert.deepEqual((await nango.listIntegrations()).configs.map((one) => one.unique_key).sort(), ['keyed', 'ledger', 'short-lived']);
    const got = await nango.getIntegration({ uniqueKey: 'keyed' }, { include: ['webhook'] });
    assert.equal(got.data.display_name, 'Keyed One');
    assert.ok('webhook_url' in got.data);
    const updated = await nango.updateIntegration({ uniqueKey: 'keyed' }, { display_name: 'Keyed Two' });
    assert.equal(updated.data.display_name, 'Keyed Two');
    assert.equal((await nango.deleteIntegration('short-lived')).status, 200);
    await fails(nango.getIntegration({ uniqueKey: 'short-lived' }), 404, 'not_found');
});

test('createQuickstartIntegration says why there is none', async () => {
    await assert.rejects(nango.createQuickstartIntegration({ provider: 'keyed', unique_key: 'quick' }), (error) => error.response.status === 400);
});

test('connections: import, listConnections, getConnection, getToken, getRawTokenResponse, patchConnection, deleteConnection', async () => {
    for (const connectionId of ['alice', 'bob']) {
        await server.ok('POST', '/connections', { provider_config_key: 'keyed', connection_id: connectionId, credentials: { type: 'API_KEY', apiKey: `canary-key-of-${connectionId}` }, tags: { team: 'red' } });
    }
    const { connections } = await nango.listConnections({ tags: { team: 'red' }, limit: 10 });
    assert.deepEqual(connections.map((one) => one.connection_id).sort(), ['alice', 'bob']);
    assert.equal((await nango.listConnections('alice')).connections.length, 1);
    const connection = await nango.getConnection('keyed', 'alice');
    assert.deepEqual(connection.credentials, { type: 'API_KEY', apiKey: 'canary-key-of-alice' });
    assert.deepEqual(await nango.getToken('keyed', 'alice'), { type: 'API_KEY', apiKey: 'canary-key-of-alice' });
    assert.equal(await nango.getRawTokenResponse('keyed', 'alice'), undefined);
    await nango.patchConnection({ connectionId: 'alice', provider_config_key: 'keyed' }, { tags: { team: 'blue' } });
    assert.deepEqual((await nango.getConnection('keyed', 'alice')).tags, { team: 'blue' });
    assert.equal((await nango.deleteConnection('keyed', 'bob')).status, 200);
    await fails(nango.getConnection('keyed', 'bob'), 404, 'not_found');
});

test('setMetadata, updateMetadata, getMetadata', async () => {
    await nango.setMetadata('keyed', 'alice', { a: 1, nested: { b: 2 } });
    await nango.updateMetadata('keyed', ['alice'], { c: 3 });
    assert.deepEqual(await nango.getMetadata('keyed', 'alice'), { a: 1, nested: { b: 2 }, c: 3 });
    await fails(nango.setMetadata('keyed', 'nobody', {}), 404, 'unknown_connection');
});

test('createConnectSession, createReconnectSession, waitForConnection', async () => {
    const { data } = await nango.createConnectSession({ end_user: { id: 'u9', email: 'u9@example.test' }, allowed_integrations: ['keyed'] });
    assert.match(data.token, /^nango_connect_session_[0-9a-f]{64}$/);
    assert.ok(data.connect_link.includes(data.token));
    const connected = await fetch(`${server.url}/api-auth/api-key/keyed?connect_session_token=${data.token}`, {
        method: 'POST',
        headers: { 'content-type': 'application/json' },
        body: JSON.stringify({ apiKey: 'canary-from-session' }),
    });
    assert.equal(connected.status, 200);
    const { connectionId } = await connected.json();
    const again = await nango.createReconnectSession({ connection_id: connectionId, integration_id: 'keyed' });
    assert.match(again.data.token, /^nango_connect_session_/);
    assert.equal((await nango.listConnections({ userId: 'u9' })).connections[0].connection_id, connectionId);
});

test('get, post, put, patch, delete, proxy', async () => {
    const target = { providerConfigKey: 'keyed', connectionId: 'alice' };
    for (const method of ['get', 'post', 'put', 'patch', 'delete']) {
        const response = await nango[method]({ ...target, endpoint: '/echo', params: { q: 'a b' }, headers: { 'X-Own': '1' }, ...(method === 'get' ? {} : { data: { n: 1 } }) });
        assert.deepEqual(response.data, { method: method.toUpperCase(), key: 'canary-key-of-alice' });
        const last = seen.at(-1);
        assert.equal(last.url, '/echo?q=a+b');
        assert.equal(last.headers['x-own'], '1');
        assert.equal(last.headers.authorization, undefined, 'our key stays here');
        if (method !== 'get') assert.equal(last.body, '{"n":1}');
    }
    assert.equal((await nango.proxy({ ...target, method: 'POST', endpoint: '/created' })).status, 201);
    await assert.rejects(nango.get({ ...target, endpoint: '/missing' }), (error) => error.response.status === 404);
});

test('functions: getScriptsConfig, listFunctions, getFunction, getFunctionCode', async () => {
    await tenonDeploy(server, [], join(import.meta.dirname, '..', 'kill-project'));
    const config = await nango.getScriptsConfig();
    assert.deepEqual(config.find((one) => one.providerConfigKey === 'ledger').syncs.map((one) => one.name).sort(), ['items', 'resumable']);
    const listed = await server.ok('GET', '/integrations/ledger/functions');
    assert.equal(listed.data.length, 2);
    const code = await server.ok('GET', '/integrations/ledger/functions/items/code?type=sync');
    assert.match(code.code, /createSync/);
});

test('records and syncs: listRecords, pruneRecords, triggerSync, startSync, pauseSync, syncStatus, frequency, variants', async () => {
    await server.ok('POST', '/connections', { provider_config_key: 'ledger', connection_id: 'c', credentials: { type: 'NONE' } });
    const list = (options = {}) => nango.listRecords({ providerConfigKey: 'ledger', connectionId: 'c', model: 'Item', ...options });
    await until('the first run', async () => (await list()).records.length === 25);
    const page = await list({ limit: 10 });
    assert.equal(page.records.length, 10);
    assert.equal((await list({ cursor: page.next_cursor, limit: 100 })).records.length, 15);
    assert.equal((await list({ ids: ['item-3', 'item-4'] })).records.length, 2);
    assert.equal((await list({ filter: 'deleted' })).records.length, 0);
    const pruned = await nango.pruneRecords({ providerConfigKey: 'ledger', connectionId: 'c', model: 'Item', untilCursor: page.records[4]._nango_metadata.cursor });
    assert.equal(pruned.count, 5);
    await nango.triggerSync('ledger', ['items'], 'c', { reset: true, emptyCache: true });
    await until('the reset run', async () => (await list()).records.every((record) => record.value !== undefined) && (await list()).records.length === 25);
    await nango.pauseSync('ledger', ['items'], 'c');
    assert.equal((await nango.syncStatus('ledger', ['items'], 'c')).syncs[0].status, 'PAUSED');
    await nango.startSync('ledger', ['items'], 'c');
    assert.deepEqual(await nango.updateSyncConnectionFrequency('ledger', 'items', 'c', '90m'), { frequency: '90m' });
    const variant = await nango.createSyncVariant({ provider_config_key: 'ledger', connection_id: 'c', name: 'items', variant: 'second' });
    assert.equal(variant.variant, 'second');
    await nango.deleteSyncVariant({ provider_config_key: 'ledger', connection_id: 'c', name: 'items', variant: 'second' });
    await fails(nango.deleteSyncVariant({ provider_config_key: 'ledger', connection_id: 'c', name: 'items', variant: 'second' }), 404, 'not_found');
});

test('getEnvironmentVariables', async () => {
    assert.deepEqual(await nango.getEnvironmentVariables(), []);
});

test('triggerAction of an unknown action is a 404', async () => {
    await fails(nango.triggerAction('ledger', 'c', 'nothing', {}), 404, 'not_found');
});

test('a wrong key is refused', async () => {
    const stranger = new Nango({ secretKey: '00000000-0000-4000-8000-000000000000', host: server.url });
    await fails(stranger.listIntegrations(), 401, 'unknown_account');
});
