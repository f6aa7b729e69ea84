// FAULTS 16: an export taken under load is restored elsewhere with only its key: everything opens, syncs go on, and records that
// did not change are not announced again. Then the same content through the public API, as from a Nango server.
import assert from 'node:assert/strict';
import { execFile } from 'node:child_process';
import { createServer } from 'node:http';
import { mkdtemp, readFile, rm, stat, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { after, before, test } from 'node:test';
import { promisify } from 'node:util';
import { tenonDeploy } from '../lib/project.mjs';
import { binary, freshDatabase, Server, until } from '../lib/server.mjs';

const run = promisify(execFile);
const CONNECTIONS = 200;
const ITEMS = 500;

let folder, providers, source, target, upstream;

before(async () => {
    const items = Array.from({ length: ITEMS }, (_, number) => ({ id: `item-${number}`, value: number }));
    upstream = createServer((request, response) => {
        const { searchParams } = new URL(request.url, 'http://x');
        const offset = Number(searchParams.get('offset') ?? 0);
        const limit = Number(searchParams.get('limit') ?? 100);
        response.writeHead(200, { 'content-type': 'application/json' }).end(JSON.stringify({ items: items.slice(offset, offset + limit) }));
    });
    await new Promise((done) => upstream.listen(0, '127.0.0.1', done));
    folder = await mkdtemp(join(tmpdir(), 'tenon-export-'));
    providers = join(folder, 'providers.yaml');
    const proxy = { base_url: `http://127.0.0.1:${upstream.address().port}` };
    const common = { categories: ['other'], docs: 'https://example.test', proxy };
    const credentials = { apiKey: { type: 'string', title: 'Key', description: 'The key' } };
    await writeFile(
        providers,
        JSON.stringify({
            ledger: { display_name: 'Ledger', auth_mode: 'NONE', ...common },
            keyed: { display_name: 'Keyed', auth_mode: 'API_KEY', credentials, ...common },
        }),
    );
    source = await Server.start({ flags: ['--providers', providers] });
    await source.ok('POST', '/integrations', { provider: 'ledger', unique_key: 'ledger' });
    await source.ok('POST', '/integrations', { provider: 'keyed', unique_key: 'keyed' });
    await source.ok('PUT', '/environment-variables', [{ name: 'A', value: 'variable-canary' }]);
    await tenonDeploy(source, [], join(import.meta.dirname, '..', 'kill-project'));
    await source.ok('POST', '/connections', { provider_config_key: 'ledger', connection_id: 'c', credentials: { type: 'NONE' } });
    await connect(0, CONNECTIONS);
    await until('the first sync', () => synced(source), 60_000);
});

after(async () => {
    await source?.stop();
    await target?.stop();
    upstream?.closeAllConnections();
    upstream?.close();
    if (folder) await rm(folder, { recursive: true, force: true });
});

async function connect(from, to) {
    for (let number = from; number < to; number++) {
        const credentials = { type: 'API_KEY', apiKey: `token-canary-${number}` };
        await source.ok('POST', '/connections', { provider_config_key: 'keyed', connection_id: `k${number}`, credentials, metadata: { number }, tags: { tier: 'gold' } });
    }
}

async function synced(server) {
    const status = await server.ok('GET', '/sync/status?syncs=items&provider_config_key=ledger&connection_id=c');
    return status.syncs[0]?.status === 'SUCCESS' && (await records(server)).length === ITEMS;
}

async function records(server) {
    const page = await server.ok('GET', '/records?model=Item&limit=5000', undefined, { 'connection-id': 'c', 'provider-config-key': 'ledger' });
    return page.records;
}

/** A server on a data directory (and database) that an import has filled before its first start. */
async function restored(file, identity) {
    const server = await Server.start({ flags: ['--providers', providers] });
    await server.kill();
    // Elsewhere: nothing of the first start is left.
    await rm(server.dataDir, { recursive: true, force: true });
    const place = ['--data-dir', server.dataDir];
    if (server.databaseUrl) {
        server.databaseUrl = await freshDatabase();
        place.push('--database-url', server.databaseUrl);
    }
    const { stdout } = await run(binary, ['import', file, '--identity', identity, ...place], { env: { ...process.env, TENON_LOG: 'error' } });
    await server.launch();
    return { server, stdout };
}

test('faults_16: an export under load is restored elsewhere with only its key', { timeout: 3 * 60_000 }, async (t) => {
    const identity = join(folder, 'backup.identity');
    const { stdout: recipient } = await run(binary, ['export', '--generate', identity]);
    assert.equal((await stat(identity)).mode & 0o777, 0o600);
    const file = join(folder, 'backup.tenon');
    const env = { ...process.env, NANGO_SECRET_KEY: source.secretKey };
    const writing = connect(CONNECTIONS, CONNECTIONS + 50);
    await run(binary, ['export', file, '--recipient', recipient.trim(), '--url', source.url], { env });
    await writing;
    const bytes = await readFile(file);
    for (const canary of ['token-canary', 'variable-canary', source.secretKey]) assert.equal(bytes.includes(canary), false, canary);

    const before = await records(source);
    const restore = await restored(file, identity);
    target = restore.server;
    assert.equal(target.secretKey, source.secretKey, 'API keys work as they did');
    for (const number of [0, 7, CONNECTIONS - 1]) {
        const connection = await target.ok('GET', `/connections/k${number}?provider_config_key=keyed`);
        assert.equal(connection.credentials.apiKey, `token-canary-${number}`);
        assert.deepEqual([connection.metadata, connection.tags], [{ number }, { tier: 'gold' }]);
    }
    assert.deepEqual(await target.ok('GET', '/environment-variables'), [{ name: 'A', value: 'variable-canary' }]);
    assert.deepEqual(await records(target), before);
    await target.ok('POST', '/sync/trigger', { syncs: ['items'], provider_config_key: 'ledger', connection_id: 'c' });
    const began = Date.now();
    await until('a run here', async () => {
        const status = await target.ok('GET', '/sync/status?syncs=items&provider_config_key=ledger&connection_id=c');
        return status.syncs[0].status === 'SUCCESS' && Date.parse(status.syncs[0].finishedAt) > began - 1_000;
    }, 60_000);
    assert.deepEqual(await records(target), before, 'nothing changed, so nothing was written');
    t.diagnostic(restore.stdout.trim());
});

test('a running server is taken over through its public API', { timeout: 2 * 60_000 }, async () => {
    const other = await Server.start({ flags: ['--providers', providers] });
    try {
        const env = { ...process.env, NANGO_SECRET_KEY: other.secretKey, NANGO_IMPORT_SECRET_KEY: source.secretKey };
        const args = ['import', 'nango', '--url', source.url, '--to', other.url];
        const tried = await run(binary, [...args, '--dry-run'], { env });
        assert.match(tried.stdout, /nothing was changed/);
        assert.equal((await other.ok('GET', '/integrations')).data.length, 0);
        const { stdout } = await run(binary, args, { env });
        assert.match(stdout, /integrations: 2 taken over, 0 were here already, 0 left out/);
        assert.match(stdout, new RegExp(`connections: ${CONNECTIONS + 51} taken over, 0 were here already, 0 left out`));
        const connection = await other.ok('GET', '/connections/k9?provider_config_key=keyed');
        assert.equal(connection.credentials.apiKey, 'token-canary-9');
        assert.deepEqual([connection.metadata, connection.tags], [{ number: 9 }, { tier: 'gold' }]);
        const again = await run(binary, args, { env });
        assert.match(again.stdout, new RegExp(`connections: 0 taken over, ${CONNECTIONS + 51} were here already`));
    } finally {
        await other.stop();
    }
});
