// Every method of the published Node client, over its versions (auth-and-proxy.md, 2.1 and 2.2). The oldest one that can
// reach a server other than the vendor's own is 0.24: what came before sent its key as Basic to any other host, which the
// reference refuses too.
import assert from 'node:assert/strict';
import { after, before, test } from 'node:test';
import { SdkWorld } from '../lib/sdk-world.mjs';
import { until } from '../lib/server.mjs';

/** `minor` orders the versions; calls below branch on it where a method changed its shape. */
const VERSIONS = [
    { minor: 24, module: 'nango-node-0.24' },
    { minor: 36, module: 'nango-node-0.36' },
    { minor: 45, module: 'nango-node-0.45' },
    { minor: 60, module: 'nango-node-0.60' },
    { minor: 71, module: '@nangohq/node' },
];

/** Not meant to be called by users; the methods around them call them. */
const INTERNAL = ['constructor', 'enrichHeaders', '_triggerAction', '_verifyWebhookSignatureImpl'];

let world;
before(async () => (world = await SdkWorld.start()));
after(() => world?.stop());

/** The server has no such route any more, nor has the reference. */
const gone = (promise) => assert.rejects(promise, (error) => error.response?.status === 404);
const refused = (promise, status, code) =>
    assert.rejects(promise, (error) => {
        assert.equal(error.response?.status, status, error.message);
        assert.equal(error.response.data.error.code, code);
        return true;
    });

const integrations = (list) => list.map((one) => one.unique_key).filter((key) => !key.startsWith('own-')).sort();

/** What each method must do. `id` names the connections of the version, `minor` is its age. */
const CALLS = {
    async listProviders({ nango }) {
        assert.deepEqual((await nango.listProviders({ search: 'keyed' })).data.map((provider) => provider.name), ['keyed']);
    },
    async getProvider({ nango }) {
        const { data } = await nango.getProvider({ provider: 'keyed' });
        assert.deepEqual([data.name, data.auth_mode, data.display_name], ['keyed', 'API_KEY', 'Keyed']);
        await refused(nango.getProvider({ provider: 'nobody' }), 404, 'not_found');
    },
    async getProviderTemplates({ nango }) {
        assert.deepEqual((await nango.getProviderTemplates({ provider: 'keyed' })).data, []);
    },
    async listIntegrations({ nango, minor }) {
        if (minor < 45) return gone(nango.listIntegrations());
        assert.deepEqual(integrations((await nango.listIntegrations()).configs), ['granted', 'keyed', 'ledger']);
    },
    async getIntegration({ nango, minor }) {
        if (minor <= 60) {
            const { config } = await nango.getIntegration('granted', true);
            assert.deepEqual([config.unique_key, config.provider, config.client_id, config.client_secret, config.scopes], ['granted', 'granted', 'our-id', 'our-canary-secret', 'read']);
            assert.equal((await nango.getIntegration('granted')).config.client_secret, undefined);
        }
        if (minor >= 45) {
            const { data } = await nango.getIntegration({ uniqueKey: 'granted' }, { include: ['credentials'] });
            assert.deepEqual([data.unique_key, data.credentials.client_id, data.credentials.scopes], ['granted', 'our-id', 'read']);
        }
    },
    async createIntegration({ nango, minor, id }) {
        if (minor <= 60) await gone(nango.createIntegration('ledger', `own-${id}`, {}));
        if (minor < 60) return;
        const { data } = await nango.createIntegration({ provider: 'ledger', unique_key: `own-${id}`, display_name: 'Own' });
        assert.deepEqual([data.unique_key, data.provider, data.display_name], [`own-${id}`, 'ledger', 'Own']);
    },
    async createQuickstartIntegration({ nango, id }) {
        await assert.rejects(nango.createQuickstartIntegration({ provider: 'keyed', unique_key: `quick-${id}` }), (error) => error.response.status === 400);
    },
    async updateIntegration({ nango, minor, id }) {
        if (minor <= 60) await gone(nango.updateIntegration('ledger', 'ledger', {}));
        if (minor < 60) return;
        assert.equal((await nango.updateIntegration({ uniqueKey: `own-${id}` }, { display_name: 'Renamed' })).data.display_name, 'Renamed');
    },
    async deleteIntegration({ nango, minor, id }) {
        if (minor < 60) return gone(nango.deleteIntegration('ledger'));
        assert.deepEqual((await nango.deleteIntegration(`own-${id}`)).data, { success: true });
        await refused(nango.getIntegration({ uniqueKey: `own-${id}` }), 404, 'not_found');
    },
    async listFunctions({ nango }) {
        assert.deepEqual((await nango.listFunctions({ uniqueKey: 'ledger' })).data.map((one) => one.name).sort(), ['echo', 'items', 'spare']);
    },
    async getFunction({ nango }) {
        const { data } = await nango.getFunction({ uniqueKey: 'ledger', name: 'echo' }, { type: 'action' });
        assert.deepEqual([data.name, data.type, data.description], ['echo', 'action', 'Gives back what it got']);
    },
    async getFunctionCode({ nango }) {
        const { type, code } = await nango.getFunctionCode({ uniqueKey: 'ledger', name: 'items' }, { type: 'sync' });
        assert.equal(type, 'sync');
        assert.match(code, /Everything in the ledger/);
    },
    async deleteFunction({ nango }) {
        assert.deepEqual(await nango.deleteFunction({ uniqueKey: 'ledger', name: 'spare' }, { type: 'action' }), { success: true });
        await refused(nango.getFunction({ uniqueKey: 'ledger', name: 'spare' }), 404, 'not_found');
    },
    async listConnections({ nango, minor, id }) {
        const { connections } = await nango.listConnections(id);
        assert.deepEqual(connections.map((one) => one.provider_config_key).sort(), ['granted', 'keyed', 'ledger']);
        assert.ok(connections.every((one) => one.connection_id === id && one.credentials === undefined));
        if (minor >= 45) assert.equal((await nango.listConnections(undefined, id)).connections.length, 3);
        if (minor >= 60) assert.deepEqual((await nango.listConnections(undefined, undefined, { endUserId: `user-of-${id}` })).connections.map((one) => one.provider_config_key), ['keyed']);
        if (minor >= 71) assert.equal((await nango.listConnections({ integrationId: ['keyed', 'granted'], connectionId: id, limit: 10 })).connections.length, 2);
    },
    async listConnectionDetails({ nango, id }) {
        assert.equal((await nango.listConnectionDetails(id)).data.connections.length, 3);
    },
    async getConnection({ nango, id }) {
        const connection = await nango.getConnection('granted', id);
        assert.deepEqual([connection.connection_id, connection.provider, connection.credentials.type, connection.credentials.access_token], [id, 'granted', 'OAUTH2', `canary-token-of-${id}`]);
        assert.equal(connection.credentials.refresh_token, undefined);
        assert.equal((await nango.getConnection('granted', id, false, true)).credentials.refresh_token, `refresh-of-${id}`);
        await assert.rejects(nango.getConnection('granted', 'nobody'), (error) => error.response.status === 404);
    },
    async getConnectionDetails({ nango, minor, id }) {
        const details = minor < 71 ? nango.getConnectionDetails('keyed', id) : nango.getConnectionDetails({ providerConfigKey: 'keyed', connectionId: id });
        assert.equal((await details).data.credentials.apiKey, `canary-key-of-${id}`);
    },
    async patchConnection({ nango, id }) {
        assert.deepEqual(await nango.patchConnection({ connectionId: id, provider_config_key: 'ledger' }, { tags: { team: 'blue' } }), { success: true });
        assert.deepEqual((await nango.getConnection('ledger', id)).tags, { team: 'blue' });
    },
    async importConnection({ nango }) {
        await assert.rejects(async () => nango.importConnection({}), /deprecated/);
    },
    async createConnection({ nango, minor, id }) {
        if (minor > 24) return assert.rejects(async () => nango.createConnection({}), /deprecated/);
        const { status, data } = await nango.createConnection({ provider_config_key: 'keyed', connection_id: `made-by-${id}`, api_key: 'imported' });
        assert.deepEqual([status, data.connection_id], [201, `made-by-${id}`]);
        assert.equal((await nango.getConnection('keyed', `made-by-${id}`)).credentials.apiKey, 'imported');
    },
    async getToken({ nango, minor, id }) {
        assert.equal(await nango.getToken('granted', id), `canary-token-of-${id}`);
        if (minor >= 36) assert.deepEqual(await nango.getToken('keyed', id), { type: 'API_KEY', apiKey: `canary-key-of-${id}` });
    },
    async getRawTokenResponse({ nango, id }) {
        assert.equal((await nango.getRawTokenResponse('granted', id)).access_token, `canary-token-of-${id}`);
    },
    async getMetadata({ nango, id }) {
        await world.server.ok('POST', '/connections/metadata', { provider_config_key: 'keyed', connection_id: id, metadata: { seen: true } });
        assert.deepEqual(await nango.getMetadata('keyed', id), { seen: true });
    },
    async setMetadata({ nango, minor, id }) {
        const { status, data } = await nango.setMetadata('keyed', id, { a: 1, nested: { b: 2 } });
        assert.equal(status, 201);
        assert.deepEqual(minor < 45 ? data : data.metadata, { a: 1, nested: { b: 2 } });
        assert.deepEqual(await nango.getMetadata('keyed', id), { a: 1, nested: { b: 2 } });
    },
    async updateMetadata({ nango, minor, id }) {
        await nango.setMetadata('keyed', id, { a: 1, nested: { b: 2 } });
        assert.equal((await nango.updateMetadata('keyed', minor < 45 ? id : [id], { nested: 3 })).status, 200);
        assert.deepEqual(await nango.getMetadata('keyed', id), { a: 1, nested: 3 });
    },
    async setFieldMapping({ nango, id }) {
        await gone(nango.setFieldMapping({ a: 'b' }, 'keyed', id));
    },
    async getFieldMapping({ nango, id }) {
        assert.equal(await nango.getFieldMapping('keyed', id), undefined);
    },
    async deleteConnection({ nango, id }) {
        await world.server.ok('POST', '/connections', { provider_config_key: 'keyed', connection_id: `short-${id}`, credentials: { type: 'API_KEY', apiKey: 'k' } });
        assert.deepEqual((await nango.deleteConnection('keyed', `short-${id}`)).data, { success: true });
        await assert.rejects(nango.getConnection('keyed', `short-${id}`), (error) => error.response.status === 404);
    },
    async waitForConnection({ nango, id }) {
        assert.equal((await nango.waitForConnection('keyed', `user-of-${id}`)).connection_id, id);
    },
    async getScriptsConfig({ nango, minor }) {
        const config = (await nango.getScriptsConfig()).find((one) => one.providerConfigKey === 'ledger');
        assert.deepEqual(config.syncs.map((one) => one.name), ['items']);
        assert.ok(config.actions.some((one) => one.name === 'echo'));
        if (minor >= 60) assert.ok((await nango.getScriptsConfig('openai')).data.some((tool) => JSON.stringify(tool).includes('echo')));
    },
    async getRecords({ nango, id }) {
        await gone(nango.getRecords({ providerConfigKey: 'ledger', connectionId: id, model: 'Item' }));
    },
    async listRecords({ nango, minor, id }) {
        const list = (options) => nango.listRecords({ providerConfigKey: 'ledger', connectionId: id, model: 'Item', ...options });
        const page = await list({ limit: 20 });
        assert.equal(page.records.length, 20);
        const rest = await list({ cursor: page.next_cursor });
        assert.deepEqual([...page.records, ...rest.records].map((record) => record.value).sort((a, b) => a - b), Array.from({ length: 25 }, (_, number) => number));
        assert.equal(rest.next_cursor, null);
        assert.equal(page.records[0]._nango_metadata.last_action, 'ADDED');
        assert.equal((await list({ filter: 'deleted' })).records.length, 0);
        assert.equal((await list(minor < 45 ? { delta: '2999-01-01T00:00:00.000Z' } : { modifiedAfter: '2999-01-01T00:00:00.000Z' })).records.length, 0);
        if (minor >= 60) assert.deepEqual((await list({ ids: ['item-3'] })).records.map((record) => record.value), [3]);
    },
    async pruneRecords({ nango, id }) {
        const { records } = await nango.listRecords({ providerConfigKey: 'ledger', connectionId: id, model: 'Item', limit: 5 });
        const pruned = await nango.pruneRecords({ providerConfigKey: 'ledger', connectionId: id, model: 'Item', untilCursor: records[2]._nango_metadata.cursor });
        assert.deepEqual([pruned.count, pruned.has_more], [3, false]);
    },
    async triggerSync({ nango, minor, id }) {
        // 0.24 names no sync, and that is refused (recorded: `sync/trigger bad empty`).
        if (minor < 36) return refused(nango.triggerSync({ providerConfigKey: 'ledger', connectionId: id }), 400, 'invalid_body');
        const before = world.runsOf(id);
        assert.deepEqual((await nango.triggerSync('ledger', ['items'], id)).data, { success: true });
        await until('the triggered run', () => world.runsOf(id) > before);
        if (minor < 45) return;
        await until('its end', async () => (await world.syncStatus(id)).status === 'SUCCESS');
        await nango.triggerSync('ledger', ['items'], id, true);
        await until('the run from the start', () => world.runsOf(id) > before + 1);
    },
    async pauseSync({ nango, id }) {
        assert.deepEqual((await nango.pauseSync('ledger', ['items'], id)).data, { success: true });
        assert.equal((await world.syncStatus(id)).status, 'PAUSED');
    },
    async startSync({ nango, id }) {
        await nango.pauseSync('ledger', ['items'], id);
        assert.deepEqual((await nango.startSync('ledger', ['items'], id)).data, { success: true });
        assert.notEqual((await world.syncStatus(id)).status, 'PAUSED');
    },
    async syncStatus({ nango, id }) {
        const { syncs } = await nango.syncStatus('ledger', '*', id);
        assert.deepEqual(syncs.map((sync) => [sync.name, sync.connection_id, sync.frequency]), [['items', id, 'every day']]);
        assert.equal((await nango.syncStatus('ledger', ['items'], id)).syncs[0].name, 'items');
    },
    async updateSyncConnectionFrequency({ nango, minor, id }) {
        // 0.45 refuses every text before it asks anybody.
        if (minor < 60) return assert.rejects(nango.updateSyncConnectionFrequency('ledger', 'items', id, '90m'), /must be a string/);
        assert.deepEqual(await nango.updateSyncConnectionFrequency('ledger', 'items', id, '90m'), { frequency: '90m' });
        assert.deepEqual(await nango.updateSyncConnectionFrequency('ledger', 'items', id, null), { frequency: 'every day' });
    },
    async createSyncVariant({ nango, id }) {
        const made = await nango.createSyncVariant({ provider_config_key: 'ledger', connection_id: id, name: 'items', variant: 'second' });
        assert.deepEqual([made.name, made.variant], ['items', 'second']);
    },
    async deleteSyncVariant({ nango, id }) {
        const variant = { provider_config_key: 'ledger', connection_id: id, name: 'items', variant: 'third' };
        await nango.createSyncVariant(variant);
        assert.deepEqual(await nango.deleteSyncVariant(variant), { success: true });
        await refused(nango.deleteSyncVariant(variant), 404, 'not_found');
    },
    async getEnvironmentVariables({ nango }) {
        assert.deepEqual(await nango.getEnvironmentVariables(), []);
    },
    async triggerAction({ nango, id }) {
        assert.deepEqual(await nango.triggerAction('ledger', id, 'echo', { text: 'hello' }), { text: 'got hello' });
        await refused(nango.triggerAction('ledger', id, 'nothing', {}), 404, 'not_found');
    },
    async triggerActionAsync({ nango, id }) {
        const { id: action, statusUrl } = await nango.triggerActionAsync('ledger', id, 'echo', { text: 'later' });
        assert.equal(statusUrl, `/action/${action}`);
    },
    async getAsyncActionResult({ nango, id }) {
        const handle = await nango.triggerActionAsync('ledger', id, 'echo', { text: 'later' });
        const result = () => nango.getAsyncActionResult({ id: handle.id });
        assert.deepEqual(await until('the result', () => result().catch(() => undefined)), { text: 'got later' });
        assert.deepEqual(await nango.getAsyncActionResult({ statusUrl: handle.statusUrl }), { text: 'got later' });
    },
    async proxy({ nango, id, minor }) {
        const target = { providerConfigKey: 'keyed', connectionId: id, method: 'POST', data: { n: 1 } };
        const { data } = await nango.proxy({ ...target, endpoint: 'echo/1' });
        assert.deepEqual(data, { method: 'POST', url: '/echo/1', key: `canary-key-of-${id}`, own: null, body: '{"n":1}' });
        // 0.24 asks for `/proxy//echo` then.
        assert.equal((await nango.proxy({ ...target, endpoint: '/echo/2' })).data.url, '/echo/2');
        await assert.rejects(nango.proxy({ ...target, endpoint: '/missing' }), (error) => error.response.status === 404);
        if (minor >= 45) assert.equal((await nango.proxy({ ...target, endpoint: '/echo', params: { q: 'a b' } })).data.url, '/echo?q=a+b');
    },
    get: (call) => proxied(call, 'get'),
    post: (call) => proxied(call, 'post'),
    put: (call) => proxied(call, 'put'),
    patch: (call) => proxied(call, 'patch'),
    delete: (call) => proxied(call, 'delete'),
    async verifyWebhookSignature({ signed, id }) {
        const hook = await webhookOf(id);
        assert.equal(signed.verifyWebhookSignature(hook.headers['x-nango-signature'], hook.json), true);
        assert.equal(signed.verifyWebhookSignature(hook.headers['x-nango-signature'], { ...hook.json, model: 'Other' }), false);
    },
    async verifyIncomingWebhookRequest({ signed, id }) {
        const hook = await webhookOf(id);
        assert.equal(signed.verifyIncomingWebhookRequest(hook.body, hook.headers), true);
        assert.equal(signed.verifyIncomingWebhookRequest(`${hook.body} `, hook.headers), false);
    },
    async createConnectSession({ nango, minor, id }) {
        const { data } = await nango.createConnectSession({ end_user: { id: `asks-${id}`, email: 'u@example.test' }, allowed_integrations: ['keyed'] });
        assert.match(data.token, /^nango_connect_session_[0-9a-f]{64}$/);
        if (minor >= 60) assert.ok(data.connect_link.includes(data.token));
        const session = await world.server.api('GET', '/connect/session', undefined, { authorization: `Bearer ${data.token}` });
        assert.deepEqual([session.status, session.json.data.endUser.id], [200, `asks-${id}`]);
    },
    async createReconnectSession({ nango, id }) {
        const { data } = await nango.createReconnectSession({ connection_id: id, integration_id: 'keyed' });
        const session = await world.server.api('GET', '/connect/session', undefined, { authorization: `Bearer ${data.token}` });
        assert.equal(session.json.data.isReconnecting, true);
    },
};

async function proxied({ nango, id }, method) {
    const body = method === 'get' || method === 'delete' ? {} : { data: { n: 1 } };
    const { data } = await nango[method]({ providerConfigKey: 'keyed', connectionId: id, endpoint: 'echo', headers: { 'X-Own': '1' }, retries: 1, ...body });
    assert.deepEqual([data.method, data.url, data.key, data.own], [method.toUpperCase(), '/echo', `canary-key-of-${id}`, '1']);
    if (body.data) assert.equal(data.body, '{"n":1}');
}

/** The webhook that said that the records of a connection had come. */
const webhookOf = (id) => until(`the webhook of ${id}`, () => world.receiver.of('sync').find((hook) => hook.json.connectionId === id));

for (const { minor, module } of VERSIONS) {
    test(`every method of the Node client 0.${minor}`, async (t) => {
        const { Nango } = await import(module);
        const { server } = world;
        const id = `user-${minor}`;
        await world.connect(id);
        const { webhook_signing_key: signingKey } = (await server.ok('GET', '/environment')).data;
        const call = { minor, id, nango: new Nango({ secretKey: server.secretKey, host: server.url }), signed: new Nango({ secretKey: signingKey, host: server.url }) };
        const methods = Object.getOwnPropertyNames(Nango.prototype).filter((name) => !INTERNAL.includes(name));
        for (const name of methods) {
            assert.ok(CALLS[name], `\`${name}\` of 0.${minor} is called by nobody here`);
            await t.test(name, () => CALLS[name](call));
        }
        await refused(new Nango({ secretKey: '00000000-0000-4000-8000-000000000000', host: server.url }).getConnection('keyed', id), 401, 'unknown_account');
    });
}
