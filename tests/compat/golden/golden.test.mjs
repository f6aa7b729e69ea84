// The recorded conversation with the reference server, against our binary.
import assert from 'node:assert/strict';
import { spawn } from 'node:child_process';
import { readFile, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { test } from 'node:test';
import { Server } from '../lib/server.mjs';

const here = import.meta.dirname ?? new URL('.', import.meta.url).pathname;

/** Share of the comparable lines that must agree. */
const AGREE_AT_LEAST = 0.85;

/** Ending of the allow-list entries that stand for the headers we add to every webhook. */
const ADDED_HEADERS = ' -- the Standard Webhooks headers come along';

/** A line of a recording with webhooks as the reference's HTTP client would have sent them. */
function withoutAddedHeaders(line) {
    if (!line) return line;
    const entry = JSON.parse(line);
    if (entry.kind !== 'hooks') return line;
    for (const hook of entry.response) {
        const kept = hook.headers.filter((name) => !name.startsWith('webhook-'));
        hook.headers = [...new Set([...kept, 'connection'])].sort();
        assert.equal(hook.standard_webhooks, true, entry.id);
        hook.standard_webhooks = false;
    }
    return JSON.stringify(entry);
}

function node(args, env = {}) {
    return new Promise((done) => {
        let output = '';
        const child = spawn(process.execPath, args, { cwd: here, env: { ...process.env, ...env } });
        child.stdout.on('data', (chunk) => (output += chunk));
        child.stderr.on('data', (chunk) => (output += chunk));
        child.on('exit', (code) => done({ code, output }));
    });
}

test('the recorded conversation is answered the same way', { timeout: 15 * 60_000 }, async (t) => {
    const server = await Server.start({ flags: ['--providers', join(here, 'providers.yaml')] });
    t.after(() => server.stop());
    const recording = join(server.folder, 'new.jsonl');
    const environment = server.environment();
    const driver = await node(['driver.mjs', recording], {
        BASE_URL: server.url,
        SECRET: environment.secret_key,
        PUBLIC_KEY: environment.public_key,
        PACE: '0',
    });
    assert.equal(driver.code, 0, `${driver.output.slice(-4000)}\n${server.output.slice(-4000)}`);

    const compared = await node(['compare.mjs', 'nango-0.71.4.jsonl', recording, '--allow', '../golden-allow.txt', '--show', '200']);
    t.diagnostic(compared.output);
    const [, same, differ, missing, allowed] = compared.output.match(/^all +(\d+) +(\d+) +(\d+) +(\d+)/m).map(Number);
    const share = same / (same + differ + missing + allowed);
    t.diagnostic(`agreeing lines: ${(share * 100).toFixed(1)} %`);
    assert.ok(share >= AGREE_AT_LEAST, `only ${(share * 100).toFixed(1)} % of the lines agree\n${compared.output}`);
    assert.equal(compared.code, 0, `differences without a reason in golden-allow.txt\n${compared.output}`);

    // Webhooks once more, without the headers that we add: their lines must agree in everything else.
    const strict = join(server.folder, 'strict-allow.txt');
    const allow = (await readFile(join(here, '..', 'golden-allow.txt'), 'utf8')).split('\n');
    await writeFile(strict, allow.filter((line) => !line.endsWith(ADDED_HEADERS)).join('\n'));
    const plain = join(server.folder, 'plain.jsonl');
    await writeFile(plain, (await readFile(recording, 'utf8')).split('\n').map(withoutAddedHeaders).join('\n'));
    const again = await node(['compare.mjs', 'nango-0.71.4.jsonl', plain, '--allow', strict, '--show', '200']);
    assert.equal(again.code, 0, `webhooks differ in more than the added headers\n${again.output}`);
});
