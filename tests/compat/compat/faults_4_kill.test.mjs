// FAULTS 4: kill -9 at random moments of a 10,000-record sync. Nothing lost, no ghost delete, nothing announced twice under a
// new id, nothing missing. KILLS sets how often (20 by default), SEED repeats a run.
import assert from 'node:assert/strict';
import { createServer } from 'node:http';
import { mkdtemp, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { after, before, test } from 'node:test';
import { tenonDeploy } from '../lib/project.mjs';
import { Receiver } from '../lib/receiver.mjs';
import { Server, until } from '../lib/server.mjs';

const KILLS = Number(process.env.KILLS ?? 20);
const SEED = Number(process.env.SEED ?? Math.floor(Math.random() * 2 ** 31));
const ITEMS = 10_000;

let state = SEED;
/** mulberry32: the same seed gives the same run. */
function random() {
    state = (state + 0x6d2b79f5) | 0;
    let mixed = Math.imul(state ^ (state >>> 15), 1 | state);
    mixed = (mixed + Math.imul(mixed ^ (mixed >>> 7), 61 | mixed)) ^ mixed;
    return ((mixed ^ (mixed >>> 14)) >>> 0) / 2 ** 32;
}

const ledger = new Map();
let upstream, receiver, server;

before(async () => {
    for (let number = 0; number < ITEMS; number++) ledger.set(`item-${number}`, { id: `item-${number}`, value: number, note: 'n'.repeat(200) });
    upstream = createServer((request, response) => {
        const { searchParams } = new URL(request.url, 'http://x');
        const offset = Number(searchParams.get('offset') ?? 0);
        const limit = Number(searchParams.get('limit') ?? 100);
        response.writeHead(200, { 'content-type': 'application/json' }).end(JSON.stringify({ items: [...ledger.values()].slice(offset, offset + limit) }));
    });
    await new Promise((done) => upstream.listen(0, '127.0.0.1', done));
    receiver = await Receiver.start();
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
    server = await Server.start({ flags: ['--providers', providers] });
    await server.ok('PATCH', '/environment', { webhook_settings: { primary_url: receiver.url } });
    await server.ok('POST', '/integrations', { provider: 'ledger', unique_key: 'ledger' });
    await tenonDeploy(server, [], join(import.meta.dirname, '..', 'kill-project'));
});

after(async () => {
    await server?.stop();
    await receiver?.stop();
    upstream?.closeAllConnections();
    upstream?.close();
});

async function live(model = 'Item') {
    const found = new Map();
    let cursor;
    do {
        const query = new URLSearchParams({ model, limit: '5000', ...(cursor ? { cursor } : {}) });
        const page = await server.ok('GET', `/records?${query}`, undefined, { 'connection-id': 'c', 'provider-config-key': 'ledger' });
        for (const record of page.records) if (!record._nango_metadata.deleted_at) found.set(record.id, record.value);
        cursor = page.next_cursor;
    } while (cursor);
    return found;
}

async function settled() {
    const status = await server.ok('GET', `/sync/status?syncs=items&provider_config_key=ledger&connection_id=c`);
    return status.syncs[0]?.status === 'SUCCESS';
}

const sums = (model = 'Item') => {
    const total = { added: 0, updated: 0, deleted: 0 };
    const bodies = new Map();
    for (const hook of receiver.of('sync').filter((hook) => hook.json.model === model)) {
        const id = hook.headers['webhook-id'];
        if (bodies.has(id)) {
            assert.equal(bodies.get(id), hook.body, 'one id, one body');
            continue;
        }
        bodies.set(id, hook.body);
        for (const key of Object.keys(total)) total[key] += hook.json.responseResults[key];
    }
    return total;
};

test(`faults_4: ${KILLS} kills at random (SEED=${SEED})`, { timeout: 15 * 60_000 }, async (t) => {
    const expected = { added: ITEMS, updated: 0, deleted: 0 };
    await server.ok('POST', '/connections', { provider_config_key: 'ledger', connection_id: 'c', credentials: { type: 'NONE' } });
    let next = ITEMS;
    for (let round = 0; round < KILLS; round++) {
        if (round > 0) {
            const ids = [...ledger.keys()];
            const picked = new Set();
            while (picked.size < 60) picked.add(ids[Math.floor(random() * ids.length)]);
            [...picked].forEach((id, index) => {
                if (index < 50) ledger.set(id, { ...ledger.get(id), value: ledger.get(id).value + 1_000_000 });
                else ledger.delete(id);
            });
            expected.updated += 50;
            expected.deleted += 10;
            for (let count = 0; count < 20; count++, next++) ledger.set(`item-${next}`, { id: `item-${next}`, value: next, note: 'new' });
            expected.added += 20;
            await server.ok('POST', '/sync/trigger', { syncs: ['items'], provider_config_key: 'ledger', connection_id: 'c' });
        }
        const wait = random() * (round === 0 ? 1_500 : 900);
        await new Promise((done) => setTimeout(done, wait));
        await server.kill();
        await server.launch();
        let found = new Map();
        const right = () => found.size === ledger.size && [...ledger].every(([id, item]) => found.get(id) === item.value);
        await until(`round ${round} to settle after a kill at ${wait.toFixed(0)} ms`, async () => (await settled()) && ((found = await live()), right()), 60_000).catch(() => {});
        assert.equal(found.size, ledger.size, `round ${round}`);
        for (const [id, item] of ledger) assert.equal(found.get(id), item.value, `round ${round}, ${id}`);
    }
    await until('the last webhook', () => JSON.stringify(sums()) === JSON.stringify(expected), 30_000).catch(() => {});
    assert.deepEqual(sums(), expected);
    t.diagnostic(`${KILLS} kills, ${receiver.of('sync').length} webhooks, ${JSON.stringify(expected)}`);
});

test(`faults_1, faults_2, faults_3: one run killed again and again (SEED=${SEED})`, { timeout: 5 * 60_000 }, async (t) => {
    await server.ok('POST', '/sync/trigger', { syncs: ['resumable'], provider_config_key: 'ledger', connection_id: 'c' });
    let cut = 0;
    for (let kill = 0; kill < 4; kill++) {
        await new Promise((done) => setTimeout(done, 50 + random() * 250));
        await server.kill();
        await server.launch();
        const saved = (await live('Entry')).size;
        assert.equal(saved % 100 === 0 || saved === ledger.size, true, `${saved} records: half a batch is visible`);
        if (saved < ledger.size) cut++;
    }
    await until('everything to arrive', async () => (await live('Entry')).size === ledger.size, 60_000).catch(() => {});
    const found = await live('Entry');
    assert.equal(found.size, ledger.size, 'a checkpoint that was ahead of its records would leave a gap');
    for (const [id, item] of ledger) assert.equal(found.get(id), item.value, id);
    const expected = { added: ledger.size, updated: 0, deleted: 0 };
    await until('the webhook', () => JSON.stringify(sums('Entry')) === JSON.stringify(expected), 30_000).catch(() => {});
    assert.deepEqual(sums('Entry'), expected);
    t.diagnostic(`${cut} kills hit the run before its end`);
});
