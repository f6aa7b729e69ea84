// FAULTS 23 and 24 with real processes: two nodes on one Postgres, a provider that rotates refresh tokens and ends the
// whole grant when an old one comes back, and the node that refreshes killed at every step of it.
import assert from 'node:assert/strict';
import { randomBytes } from 'node:crypto';
import { mkdtemp, writeFile } from 'node:fs/promises';
import { spawn } from 'node:child_process';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { after, before, test } from 'node:test';
import { OpenIdServer } from '../lib/oidc.mjs';
import { PostgresProxy } from '../lib/pgproxy.mjs';
import { Server, freshDatabase, until } from '../lib/server.mjs';

const CALLS = 200;
const skip = !process.env.TENON_TEST_POSTGRES_URL && 'SQLite has one node';

let openid, survivor, databaseUrl, startDoomed;
let count = 0;

before(async () => {
    if (skip) return;
    openid = await OpenIdServer.start({ callback: 'http://localhost/oauth/callback' });
    const folder = await mkdtemp(join(tmpdir(), 'tenon-providers-'));
    const providers = join(folder, 'providers.yaml');
    await writeFile(
        providers,
        `rotating:
    display_name: Rotating
    categories: [other]
    auth_mode: OAUTH2
    authorization_url: ${openid.url}/auth
    token_url: ${openid.url}/token
    proxy: { base_url: "${openid.url}" }
    docs: https://example.test/docs
`,
    );
    databaseUrl = await freshDatabase();
    const options = { flags: ['--providers', providers], env: { TENON_ENCRYPTION_KEY: randomBytes(32).toString('base64') } };
    survivor = await Server.start({ ...options, databaseUrl });
    startDoomed = (url) => Server.start({ ...options, databaseUrl: url });
    await survivor.ok('POST', '/integrations', {
        provider: 'rotating',
        unique_key: 'rotating',
        credentials: { type: 'OAUTH2', client_id: openid.clientId, client_secret: openid.clientSecret, scopes: 'openid' },
    });
});

after(async () => {
    await survivor?.stop();
    await openid?.stop();
});

/** A connection whose token has expired, and what to read it by. */
async function expired() {
    const connectionId = `c${++count}`;
    const credentials = { type: 'OAUTH2', access_token: 'old', refresh_token: await openid.refreshToken('alice'), expires_at: '2020-01-01T00:00:00.000Z' };
    await survivor.ok('POST', '/connections', { provider_config_key: 'rotating', connection_id: connectionId, credentials });
    openid.tokenRequests.length = 0;
    return { connectionId, path: `/connections/${connectionId}?provider_config_key=rotating` };
}

/** Many reads of one connection at once, spread over the nodes: access tokens, errors, and calls that a dead node lost. */
async function readMany(path, nodes) {
    const calls = Array.from({ length: CALLS }, (_, number) => nodes[number % nodes.length].api('GET', path).catch(() => ({ lost: true })));
    const answers = await Promise.all(calls);
    return {
        tokens: answers.filter((answer) => answer.status === 200).map((answer) => answer.json.credentials.access_token),
        errors: answers.filter((answer) => answer.status >= 400),
        lost: answers.filter((answer) => answer.lost).length,
    };
}

/** As if the time had passed after which a lease of a dead node is void. */
async function leasesEnd() {
    const psql = spawn('psql', [databaseUrl, '-qc', 'UPDATE refresh_lease SET expires_at_us = 1'], { stdio: 'inherit' });
    assert.equal(await new Promise((done) => psql.on('exit', done)), 0);
}

const refreshes = (ok) => openid.tokenRequests.filter((one) => one.type === 'refresh_token' && one.ok === ok).length;
const health = (id) => survivor.ok('GET', `/connections/${id}/health?provider_config_key=rotating`);

/** The doomed node begins to refresh and is killed where `arm` says; then both were asked by many, and one has answered. */
async function killed(arm) {
    const proxy = await PostgresProxy.start(databaseUrl);
    const doomed = await startDoomed(proxy.url);
    try {
        const { connectionId, path } = await expired();
        const kill = () => doomed.kill();
        arm(proxy, kill);
        const first = doomed.api('GET', path).then(
            () => assert.fail('the node answered'),
            () => undefined,
        );
        await until('the node to die', () => doomed.process.exitCode !== null || doomed.process.signalCode !== null);
        await first;
        await leasesEnd();
        return { connectionId, path, ...(await readMany(path, [survivor, doomed])) };
    } finally {
        openid.beforeTokenAnswer = undefined;
        await proxy.stop();
        await doomed.stop();
    }
}

test('faults_23: 200 concurrent reads of an expired token over two nodes are one refresh', { skip }, async () => {
    const other = await startDoomed(databaseUrl);
    try {
        const { path } = await expired();
        const { tokens, errors } = await readMany(path, [survivor, other]);
        assert.equal(tokens.length, CALLS, errors[0]?.text);
        assert.equal(new Set(tokens).size, 1);
        assert.notEqual(tokens[0], 'old');
        assert.deepEqual([refreshes(true), refreshes(false)], [1, 0]);
        // The grant lives: the next refresh works too, as soon as a forced read does not take the result of the last one.
        const force = async () => (await survivor.ok('GET', `${path}&force_refresh=true`)).credentials.access_token;
        await until('another token', async () => (await force()) !== tokens[0]);
        assert.deepEqual([refreshes(true), refreshes(false)], [2, 0]);
    } finally {
        await other.stop();
    }
});

test('faults_24: killed before it noted what it would send: one refresh, by the other node', { skip }, async () => {
    const { tokens, lost, errors } = await killed((proxy, kill) => proxy.before('INSERT INTO refresh_lease', kill));
    assert.deepEqual([tokens.length, lost, errors.length], [CALLS / 2, CALLS / 2, 0]);
    assert.equal(new Set(tokens).size, 1);
    assert.deepEqual([refreshes(true), refreshes(false)], [1, 0]);
});

test('faults_24: killed between its note and the request: the token is unspent, one refresh', { skip }, async () => {
    const { tokens, lost, connectionId } = await killed((proxy, kill) => proxy.afterCommitOf('SET intent_fence = $2', kill));
    assert.deepEqual([tokens.length, lost], [CALLS / 2, CALLS / 2]);
    assert.equal(new Set(tokens).size, 1);
    assert.deepEqual([refreshes(true), refreshes(false)], [1, 0]);
    assert.equal((await health(connectionId)).state, 'healthy');
});

test('faults_24: killed while the answer of the provider is on its way: the old token is tried once, then the loss is said', { skip }, async () => {
    await isLost(await killed((_proxy, kill) => void (openid.beforeTokenAnswer = kill)));
});

test('faults_24: killed after the provider answered, before the new token was stored: the same', { skip }, async () => {
    await isLost(await killed((proxy, kill) => proxy.before('SET expires_at_us = 0, intent_fence = NULL', kill)));
});

/** One rotation, one refused second try, then silence towards the provider and a clear word towards the app. */
async function isLost({ connectionId, path, tokens, lost, errors }) {
    assert.deepEqual([tokens.length, lost, errors.length], [0, CALLS / 2, CALLS / 2]);
    assert.deepEqual([...new Set(errors.map((error) => error.status))], [424]);
    assert.deepEqual([refreshes(true), refreshes(false)], [1, 1]);
    const { state, reason } = await health(connectionId);
    assert.deepEqual({ state, reason }, { state: 'reconnect', reason: 'refresh_outcome_lost' });
    await readMany(path, [survivor]);
    await survivor.api('GET', `${path}&force_refresh=true`);
    assert.deepEqual([refreshes(true), refreshes(false)], [1, 1], 'never a loop');
    // Connecting again is the way out.
    const credentials = { type: 'OAUTH2', access_token: 'old', refresh_token: await openid.refreshToken('alice'), expires_at: '2020-01-01T00:00:00.000Z' };
    await survivor.ok('POST', '/connections', { provider_config_key: 'rotating', connection_id: connectionId, credentials });
    assert.notEqual((await survivor.ok('GET', path)).credentials.access_token, 'old');
}
