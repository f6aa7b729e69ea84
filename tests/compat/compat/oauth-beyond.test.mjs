// Device authorization (RFC 8628), bound tokens (RFC 9449) and names in callbacks (RFC 9207) against a server that
// nobody here wrote.
import assert from 'node:assert/strict';
import { spawn } from 'node:child_process';
import { mkdtemp, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { after, before, test } from 'node:test';
import { OpenIdServer, agree, connect } from '../lib/oidc.mjs';
import { Server, binary, freePort, until } from '../lib/server.mjs';

let openid, server;

before(async () => {
    const port = await freePort();
    openid = await OpenIdServer.start({ callback: `http://localhost:${port}/oauth/callback`, beyond: true });
    const folder = await mkdtemp(join(tmpdir(), 'tenon-providers-'));
    const providers = join(folder, 'providers.yaml');
    await writeFile(
        providers,
        `strict:
    display_name: Strict
    categories: [other]
    auth_mode: OAUTH2
    authorization_url: ${openid.url}/auth
    device_authorization_url: ${openid.url}/device/auth
    token_url: ${openid.url}/token
    authorization_params: { prompt: consent }
    issuer: ${openid.url}
    authorization_response_iss_parameter_supported: true
    proxy: { base_url: "${openid.url}" }
    docs: https://example.test/docs
bound:
    display_name: Bound
    alias: strict
    dpop: true
`,
    );
    server = await Server.start({ flags: ['--providers', providers], port });
    for (const provider of ['strict', 'bound']) {
        await server.ok('POST', '/integrations', {
            provider,
            unique_key: provider,
            credentials: { type: 'OAUTH2', client_id: openid.clientId, client_secret: openid.clientSecret, scopes: 'openid,offline_access' },
        });
    }
});

after(async () => {
    await server?.stop();
    await openid?.stop();
});

test('a device connects while the person types the code elsewhere; the command line waits', async () => {
    const args = ['connect', 'strict', '--device', '--connection-id', 'tv', '--json', '--url', server.url];
    const command = spawn(binary, args, { env: { ...process.env, NANGO_SECRET_KEY: server.secretKey }, stdio: ['ignore', 'pipe', 'inherit'] });
    let output = '';
    command.stdout.on('data', (chunk) => (output += chunk));
    const ended = new Promise((done) => command.on('exit', done));
    await until('the code', () => output.includes('\n'));
    const begun = JSON.parse(output.split('\n')[0]);
    assert.match(begun.user_code, /^[A-Z]{4}-[A-Z]{4}$/);
    assert.ok(!output.includes('device_code'));
    // The server is killed and comes back: the flow goes on.
    await server.kill();
    await server.launch();
    await agree(begun.verification_uri_complete, (_url, page) => /Sign-in Success|Continue on your device/i.test(page ?? ''));
    const state = async () => (await server.ok('GET', `/oauth/device/${begun.id}`)).data.state === 'connected';
    await until('the connection', state, 30_000);
    await ended;
    const connection = await server.ok('GET', '/connections/tv?provider_config_key=strict');
    assert.equal((await (await fetch(`${openid.url}/api/me`, { headers: { authorization: `Bearer ${connection.credentials.access_token}` } })).json()).account, 'alice');
});

test('the name of the provider comes with the code, and must be the right one', async () => {
    const { callback, page } = await connect(server, 'strict', 'named');
    assert.equal(new URL(callback).searchParams.get('iss'), openid.url);
    assert.equal(page.status, 200, await page.text());
});

test('bound tokens: connect, call, refresh, call; a stolen token is of no use', async () => {
    const { page } = await connect(server, 'bound', 'alice');
    assert.equal(page.status, 200, await page.text());
    const path = '/connections/alice?provider_config_key=bound';
    const connection = await server.ok('GET', path);
    assert.equal(connection.credentials.raw.token_type, 'DPoP');
    assert.doesNotMatch(JSON.stringify(connection), /dpop_key/);
    const headers = { 'connection-id': 'alice', 'provider-config-key': 'bound' };
    const call = () => server.api('GET', '/proxy/me?fields=sub', undefined, headers);
    const first = await call();
    assert.equal(first.status, 200, first.text);
    assert.equal(first.json.sub, 'alice');
    // Without the key the token opens nothing.
    const stolen = await fetch(`${openid.url}/me`, { headers: { authorization: `Bearer ${connection.credentials.access_token}` } });
    assert.equal(stolen.status, 401);
    const again = await server.ok('GET', `${path}&force_refresh=true`);
    assert.notEqual(again.credentials.access_token, connection.credentials.access_token);
    assert.equal(again.credentials.raw.token_type, 'DPoP');
    assert.equal((await call()).status, 200);
    assert.ok(openid.nonces > 0, 'the server asked for its nonce');
});
