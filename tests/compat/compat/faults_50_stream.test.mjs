// FAULTS 50: 64 MB through the proxy in both directions; memory stays flat; a client that leaves ends the upstream request.
import assert from 'node:assert/strict';
import { readFile } from 'node:fs/promises';
import { createServer } from 'node:http';
import { mkdtemp, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { after, before, test } from 'node:test';
import { Server, until } from '../lib/server.mjs';

const SIZE = 64 * 1024 * 1024;
const CHUNK = Buffer.alloc(64 * 1024, 'x');
let upstream, server;
let received = 0;
let cancelled = 0;

before(async () => {
    upstream = createServer((request, response) => {
        if (request.method === 'POST') {
            request.on('data', (chunk) => (received += chunk.length));
            request.on('end', () => response.writeHead(200, { 'content-type': 'application/json' }).end(JSON.stringify({ received })));
            return;
        }
        response.writeHead(200, { 'content-type': 'application/octet-stream', 'content-disposition': 'attachment' });
        let sent = 0;
        const more = () => {
            while (sent < SIZE) {
                sent += CHUNK.length;
                if (!response.write(CHUNK)) return response.once('drain', more);
            }
            response.end();
        };
        response.on('close', () => sent < SIZE && cancelled++);
        more();
    });
    await new Promise((done) => upstream.listen(0, '127.0.0.1', done));
    const folder = await mkdtemp(join(tmpdir(), 'tenon-providers-'));
    const base = `http://127.0.0.1:${upstream.address().port}`;
    await writeFile(join(folder, 'providers.yaml'), `big:\n    display_name: Big\n    categories: [other]\n    auth_mode: NONE\n    proxy: { base_url: "${base}" }\n    docs: https://example.test/docs\n`);
    server = await Server.start({ flags: ['--providers', join(folder, 'providers.yaml')] });
    await server.ok('POST', '/integrations', { provider: 'big', unique_key: 'big' });
    await server.ok('POST', '/connections', { provider_config_key: 'big', connection_id: 'c', credentials: { type: 'NONE' } });
});

after(async () => {
    await server?.stop();
    upstream?.closeAllConnections();
    upstream?.close();
});

async function residentMegabytes() {
    const status = await readFile(`/proc/${server.process.pid}/status`, 'utf8');
    return Number(status.match(/VmRSS:\s+(\d+)/)[1]) / 1024;
}

/** Highest resident memory above idle while `work` runs. */
async function memoryOf(work) {
    const idle = await residentMegabytes();
    let highest = idle;
    const timer = setInterval(async () => (highest = Math.max(highest, await residentMegabytes())), 20);
    await work();
    clearInterval(timer);
    return highest - idle;
}

const headers = () => ({ authorization: `Bearer ${server.secretKey}`, 'connection-id': 'c', 'provider-config-key': 'big' });

test('faults_50: a large download keeps memory flat', async (t) => {
    let bytes = 0;
    const grown = await memoryOf(async () => {
        const response = await fetch(`${server.url}/proxy/file`, { headers: headers() });
        for await (const chunk of response.body) bytes += chunk.length;
    });
    assert.equal(bytes, SIZE);
    t.diagnostic(`${grown.toFixed(1)} MB above idle`);
    assert.ok(grown < 32, `${grown} MB above idle`);
});

test('faults_50: a large upload keeps memory flat', async (t) => {
    const grown = await memoryOf(async () => {
        let sent = 0;
        const body = new ReadableStream({
            pull(controller) {
                if (sent >= SIZE) return controller.close();
                sent += CHUNK.length;
                controller.enqueue(new Uint8Array(CHUNK));
            },
        });
        const response = await fetch(`${server.url}/proxy/file`, { method: 'POST', headers: { ...headers(), 'content-type': 'application/octet-stream' }, body, duplex: 'half' });
        assert.equal(response.status, 200);
    });
    assert.equal(received, SIZE);
    t.diagnostic(`${grown.toFixed(1)} MB above idle`);
    assert.ok(grown < 32, `${grown} MB above idle`);
});

test('faults_50: a client that leaves ends the request', async () => {
    const abort = new AbortController();
    const response = await fetch(`${server.url}/proxy/file`, { headers: headers(), signal: abort.signal });
    await response.body.getReader().read();
    abort.abort();
    await until('the upstream to notice', () => cancelled === 1);
});
