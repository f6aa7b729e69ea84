// The recorded conversation with the reference server, against our binary.
import assert from 'node:assert/strict';
import { spawn } from 'node:child_process';
import { join } from 'node:path';
import { test } from 'node:test';
import { Server } from '../lib/server.mjs';

const here = import.meta.dirname ?? new URL('.', import.meta.url).pathname;

/** Share of the comparable lines that must agree. */
const AGREE_AT_LEAST = 0.85;

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
});
