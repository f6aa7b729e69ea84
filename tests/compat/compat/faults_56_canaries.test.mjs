// FAULTS 56: every server of this suite is searched for secrets when it stops. Here: that the search sees something.
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { appendFile } from 'node:fs/promises';
import { join } from 'node:path';
import { Canaries } from '../lib/canaries.mjs';
import { Server } from '../lib/server.mjs';

const KEY = 'a-key-that-nobody-may-read-1';

test('faults_56: a secret in an output or a file is found, and not told', async () => {
    const canaries = new Canaries();
    canaries.note({ connections: [{ credentials: { type: 'API_KEY', apiKey: KEY, refresh_token: 'a+b/c d=e&f"g-secret' } }] });
    assert.equal(canaries.size, 2);
    assert.deepEqual(canaries.found('all is well\nnothing to see'), []);
    for (const form of [KEY, Buffer.from(KEY).toString('base64'), encodeURIComponent('a+b/c d=e&f"g-secret'), 'a+b/c d=e&f\\"g-secret', 'token-canary-7']) {
        const [place, ...more] = canaries.found(`first\nINFO url=/x?key=${form} end\nlast`);
        assert.match(place, /^INFO url=.*…\(\d+\) end$/);
        assert.ok(!place.includes(form), place);
        assert.equal(more.length, 0);
    }
});

test('faults_56: a server that leaks fails its test', async () => {
    for (const leak of [
        (server) => (server.told += `2026 WARN refused the key ${KEY}\n`),
        (server) => appendFile(join(server.dataDir, 'messages.txt'), `{"authorization":"Bearer ${KEY}"}`),
        (server) => appendFile(join(server.dataDir, 'core'), `${server.secretKey}`),
    ]) {
        const server = await Server.start();
        await server.ok('POST', '/integrations', { provider: 'airtable-pat', unique_key: 'keyed' });
        await server.ok('POST', '/connections', { provider_config_key: 'keyed', connection_id: 'alice', credentials: { type: 'API_KEY', apiKey: KEY } });
        await leak(server);
        await assert.rejects(server.stop(), (error) => /secrets where none may be/.test(error.message) && !error.message.includes(KEY));
    }
});
