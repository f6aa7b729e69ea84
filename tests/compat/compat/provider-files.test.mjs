// An operator edits a provider file under a running server.
import assert from 'node:assert/strict';
import { spawn } from 'node:child_process';
import { mkdtemp, rename, utimes, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { test } from 'node:test';
import { Server, binary, freePort, until } from '../lib/server.mjs';

const entry = (name, base) => `${name}: { display_name: Acme, categories: [other], auth_mode: NONE, proxy: { base_url: "${base}" }, docs: https://example.test }\n`;

const folder = () => mkdtemp(join(tmpdir(), 'tenon-providers-'));

test('an edit takes effect at once for all entries, a broken file changes nothing and says so', async () => {
    const file = join(await folder(), 'providers.yaml');
    await writeFile(file, entry('acme', 'https://one.test') + entry('other', 'https://other.test'));
    const server = await Server.start({ flags: ['--providers', file] });
    try {
        const base = async (name) => (await server.api('GET', `/providers/${name}`)).json.data?.proxy.base_url;
        const ready = async () => (await fetch(`${server.url}/ready`)).json();
        assert.equal(await base('acme'), 'https://one.test');
        assert.deepEqual(await ready(), { result: 'ok' });

        // As editors do it: another file takes the place.
        await writeFile(`${file}.new`, entry('acme', 'https://two.test'));
        await rename(`${file}.new`, file);
        await until('the new address', async () => (await base('acme')) === 'https://two.test');
        assert.equal((await server.api('GET', '/providers/other')).status, 404);
        assert.match(server.output, /no longer there: other/);

        await writeFile(file, 'acme: { auth_mode: OAUTH9 }\n');
        await until('the note', async () => (await ready()).notes?.length === 1);
        assert.doesNotMatch(JSON.stringify(await ready()), /OAUTH9/, 'anybody may ask there');
        assert.match(server.output, /stay in use.*OAUTH9/);
        assert.equal(await base('acme'), 'https://two.test');

        await writeFile(file, entry('acme', 'https://three.test'));
        await until('the mended address', async () => (await base('acme')) === 'https://three.test');
        assert.deepEqual(await ready(), { result: 'ok' });
    } finally {
        await server.stop();
    }
});

test('SIGHUP reads the files of `tenon serve` again, even if they look the same', async () => {
    const [data, port] = [await folder(), await freePort()];
    const file = join(data, 'providers.yaml');
    // Same size, same time: only somebody who asks finds out.
    const write = async (base) => {
        await writeFile(file, entry('acme', base));
        await utimes(file, 1_700_000_000, 1_700_000_000);
    };
    await write('https://one.test');
    const server = spawn(binary, ['serve', '--data-dir', join(data, 'data'), '--port', String(port), '--providers', file], { stdio: 'ignore' });
    const ended = new Promise((done) => server.on('exit', (code, signal) => done({ code, signal })));
    try {
        const base = async () => (await (await fetch(`http://localhost:${port}/providers.json`)).json()).acme.proxy.base_url;
        await until('the server', async () => (await base()) === 'https://one.test');
        await write('https://two.test');
        server.kill('SIGHUP');
        await until('the new address', async () => (await base()) === 'https://two.test');
    } finally {
        server.kill('SIGTERM');
        assert.deepEqual(await ended, { code: 0, signal: null });
    }
});
