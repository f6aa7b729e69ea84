// Webhooks of providers that were answered with 200 outlive the process.
import assert from 'node:assert/strict';
import { createHmac } from 'node:crypto';
import { rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { after, before, test } from 'node:test';
import { Receiver } from '../lib/receiver.mjs';
import { Server, until } from '../lib/server.mjs';

const ROUNDS = 3;
const BURST = 400;

let providers, receiver, server, uuid;

before(async () => {
    receiver = await Receiver.start();
    providers = join(tmpdir(), `tenon-hooks-${process.pid}.yaml`);
    const signed = { from: { header: 'x-signature' }, key: ['webhook_secret'] };
    const entry = { display_name: 'Hooks', categories: ['other'], auth_mode: 'NONE', docs: 'https://example.test', webhook_routing: { signature: { needed: 'always', schemes: [signed] }, event_type: { body: 'type' }, connection: { find: [{ in: 'connection_id', from: { body: 'account' } }] } } };
    await writeFile(providers, JSON.stringify({ hooks: entry }));
    server = await Server.start({ flags: ['--providers', providers] });
    await server.ok('PATCH', '/environment', { webhook_settings: { primary_url: receiver.url } });
    await server.ok('POST', '/integrations', { unique_key: 'hooks', provider: 'hooks', custom: { webhookSecret: 's3cret' } });
    await server.ok('POST', '/connections', { provider_config_key: 'hooks', connection_id: 'alice', credentials: { type: 'NONE' } });
    uuid = (await server.api('GET', '/environment')).json.data.uuid;
});

after(async () => {
    await server?.stop();
    await receiver?.stop();
    if (providers) await rm(providers, { force: true });
});

async function send(n) {
    const body = JSON.stringify({ type: 'thing', account: 'alice', n });
    const signature = createHmac('sha256', 's3cret').update(body).digest('hex');
    try {
        const response = await fetch(`${server.url}/webhook/${uuid}/hooks`, { method: 'POST', headers: { 'content-type': 'application/json', 'x-signature': signature }, body });
        await response.text();
        return response.status;
    } catch {
        return 0;
    }
}

test('every webhook that was answered with 200 is routed once, however often the process is killed', async () => {
    const taken = new Set();
    for (let round = 0; round < ROUNDS; round++) {
        const numbers = Array.from({ length: BURST }, (_, index) => round * BURST + index);
        const answers = numbers.map(async (n) => {
            if ((await send(n)) === 200) taken.add(n);
        });
        // Somewhere in the middle of the burst.
        await until('a few answers', () => taken.size > round * 20 + 10);
        await server.kill();
        await Promise.all(answers);
        await server.launch();
    }
    assert.ok(taken.size > ROUNDS * 10, `${taken.size} were taken`);
    // The feed shows what was routed, and how often.
    const routed = async () => {
        const numbers = [];
        let cursor = '';
        for (;;) {
            const page = await server.ok('GET', `/events?limit=1000${cursor && `&cursor=${cursor}`}`);
            if (page.events.length === 0) return numbers;
            for (const { type, payload } of page.events) {
                if (type !== 'forward') continue;
                assert.equal(payload.connectionId, 'alice');
                numbers.push(payload.payload.n);
            }
            cursor = encodeURIComponent(page.next_cursor);
        }
    };
    const seen = await until('all of them to be routed', async () => {
        const numbers = await routed();
        return [...taken].every((n) => numbers.includes(n)) && numbers;
    });
    assert.equal(new Set(seen).size, seen.length, 'each is routed once');
    const arrived = () => new Set(receiver.of('forward').map(({ json }) => json.payload.n));
    await until('all of them to arrive', () => [...taken].every((n) => arrived().has(n)), 60_000);
});
