// Pausing, starting and triggering syncs in the very moment when their runs end: both change the task, the sync and its
// schedule, and neither may make the other fail.
import assert from 'node:assert/strict';
import { createServer } from 'node:http';
import { mkdtemp, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { tenonDeploy } from './project.mjs';
import { Server, until } from './server.mjs';

const ITEMS = 25;

/** Does that to many connections at once, each several times; the server must not have logged an error. */
export async function pausesWhileRunsEnd(connections, rounds) {
    const upstream = createServer((request, response) => {
        const offset = Number(new URL(request.url, 'http://x').searchParams.get('offset') ?? 0);
        const items = Array.from({ length: ITEMS }, (_, number) => ({ id: `item-${number}`, value: number, note: 'n' }));
        response.setHeader('content-type', 'application/json');
        response.end(JSON.stringify({ items: items.slice(offset) }));
    });
    await new Promise((done) => upstream.listen(0, '127.0.0.1', done));
    const folder = await mkdtemp(join(tmpdir(), 'tenon-providers-'));
    const providers = join(folder, 'providers.yaml');
    await writeFile(
        providers,
        `ledger:
    display_name: Ledger
    categories: [other]
    auth_mode: NONE
    proxy: { base_url: "http://127.0.0.1:${upstream.address().port}" }
    docs: https://example.test/docs
`,
    );
    const server = await Server.start({ flags: ['--providers', providers] });
    try {
        await server.ok('POST', '/integrations', { provider: 'ledger', unique_key: 'ledger' });
        await tenonDeploy(server, [], join(import.meta.dirname, '..', 'kill-project'));
        const names = Array.from({ length: connections }, (_, number) => `c${number}`);
        await Promise.all(names.map((name) => annoy(server, name, rounds)));
        assert.doesNotMatch(server.output, / ERROR /);
    } finally {
        await server.stop();
        upstream.closeAllConnections();
        upstream.close();
    }
}

/** Triggers the sync of one connection and pauses it as soon as its records are there, again and again. */
async function annoy(server, name, rounds) {
    const target = { provider_config_key: 'ledger', connection_id: name };
    await server.ok('POST', '/connections', { ...target, credentials: { type: 'NONE' } });
    const headers = { 'connection-id': name, 'provider-config-key': 'ledger' };
    const arrived = async () => (await server.ok('GET', '/records?model=Item', undefined, headers)).records.length === ITEMS;
    for (let round = 0; round < rounds; round++) {
        await until(`the records of ${name}`, arrived);
        await server.ok('POST', '/sync/pause', { ...target, syncs: ['items'] });
        await server.ok('POST', '/sync/start', { ...target, syncs: ['items'] });
        await server.ok('POST', '/sync/trigger', { ...target, syncs: ['items'], opts: { reset: true, emptyCache: true } });
    }
}
