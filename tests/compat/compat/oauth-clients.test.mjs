// Clients of every kind against a server that nobody here wrote: no person, no secret, not known beforehand; to the end of
// their tokens.
import assert from 'node:assert/strict';
import { generateKeyPairSync } from 'node:crypto';
import { mkdtemp, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { after, before, test } from 'node:test';
import { OpenIdServer, connect } from '../lib/oidc.mjs';
import { Server, freePort, until } from '../lib/server.mjs';

let openid, server;
const person = generateKeyPairSync('ec', { namedCurve: 'P-256' });
const machine = generateKeyPairSync('rsa', { modulusLength: 2048 });

before(async () => {
    const port = await freePort();
    const keys = [
        { ...person.publicKey.export({ format: 'jwk' }), use: 'sig' },
        { ...machine.publicKey.export({ format: 'jwk' }), use: 'sig', kid: 'machine' },
    ];
    openid = await OpenIdServer.start({ callback: `http://localhost:${port}/oauth/callback`, beyond: true, keys });
    const providers = join(await mkdtemp(join(tmpdir(), 'tenon-providers-')), 'providers.json');
    const common = {
        categories: ['other'],
        docs: 'https://example.test/docs',
        token_url: `${openid.url}/token`,
        proxy: { base_url: openid.url },
        revocation: { url: `${openid.url}/token/revocation` },
    };
    const authorization = { authorization_url: `${openid.url}/auth`, authorization_params: { prompt: 'consent' } };
    const none = { token_params: { grant_type: 'client_credentials' } };
    const keyed = { token_request_auth_method: 'private_key_jwt' };
    const entries = {
        machine: { ...common, auth_mode: 'OAUTH2_CC', display_name: 'Machine', ...none },
        'keyed-machine': { ...common, auth_mode: 'OAUTH2_CC', display_name: 'Machine with a key', ...none, ...keyed },
        keyed: { ...common, auth_mode: 'OAUTH2', display_name: 'With a key', ...authorization, ...keyed },
        'any-mcp': {
            auth_mode: 'MCP_OAUTH2_GENERIC', display_name: 'Any MCP server', categories: ['mcp'], docs: common.docs,
            connection_config: { mcp_server_url: { type: 'string', title: 'Server' } },
            proxy: { base_url: openid.url },
        },
    };
    await writeFile(providers, JSON.stringify(entries));
    server = await Server.start({ flags: ['--providers', providers], port });
    for (const provider of Object.keys(entries)) {
        const credentials = { type: 'OAUTH2', client_id: 'keyed', client_secret: person.privateKey.export({ format: 'pem', type: 'pkcs8' }), scopes: 'openid,offline_access' };
        await server.ok('POST', '/integrations', { provider, unique_key: provider, ...(provider === 'keyed' && { credentials }) });
    }
});

after(async () => {
    await server?.stop();
    await openid?.stop();
});

const read = (key, more = '') => server.ok('GET', `/connections/one?provider_config_key=${key}&refresh_token=true${more}`);
const call = (key, path = 'api/me') => server.api('GET', `/proxy/${path}`, undefined, { 'connection-id': 'one', 'provider-config-key': key });
const bare = (token, path = 'api/me') => fetch(`${openid.url}/${path}`, { headers: { authorization: `Bearer ${token}` } });

/** Deletes the connection and waits until the provider says that its token is dead. */
async function end(key, token, path) {
    assert.equal((await bare(token, path)).status, 200);
    await server.ok('DELETE', `/connections/one?provider_config_key=${key}`);
    const proof = await until('the revocation', async () => {
        const proofs = (await server.ok('GET', '/revocations')).revocations.filter((one) => one.provider_config_key === key);
        return proofs.find((one) => one.state !== 'waiting');
    });
    assert.equal(proof.state, 'revoked', JSON.stringify(proof));
    assert.equal((await bare(token, path)).status, 401);
}

/** A client without a person: connected, used, renewed, ended. */
async function alone(key, body) {
    const query = new URLSearchParams({ public_key: server.environment().public_key, connection_id: 'one' });
    const made = await fetch(`${server.url}/oauth2/auth/${key}?${query}`, { method: 'POST', headers: { 'content-type': 'application/json' }, body: JSON.stringify(body) });
    assert.equal(made.status, 200, await made.text());
    const { credentials } = await read(key);
    assert.equal(credentials.type, 'OAUTH2_CC');
    const answer = await call(key);
    assert.equal(answer.status, 200, answer.text);
    // A read that is forced right after a token came takes that one.
    const again = await until('another token', async () => {
        const renewed = await read(key, '&force_refresh=true');
        return renewed.credentials.token !== credentials.token && renewed;
    });
    assert.equal((await call(key)).status, 200);
    await end(key, again.credentials.token);
}

test('client credentials with a secret', async () => {
    await alone('machine', { client_id: 'machine', client_secret: openid.machineSecret });
});

test('client credentials with a key', async () => {
    const key = { ...machine.privateKey.export({ format: 'jwk' }), kid: 'machine' };
    await alone('keyed-machine', { client_id: 'keyed-machine', client_private_key: JSON.stringify(key) });
});

test('an app that has a key and no secret: code, refresh, revocation', async () => {
    const { page } = await connect(server, 'keyed', 'one');
    assert.equal(page.status, 200, await page.text());
    const { credentials } = await read('keyed');
    assert.equal((await call('keyed')).json.account, 'alice');
    const again = await read('keyed', '&force_refresh=true');
    assert.notEqual(again.credentials.access_token, credentials.access_token);
    assert.notEqual(again.credentials.refresh_token, credentials.refresh_token, 'each refresh token is good for one refresh');
    assert.equal((await call('keyed')).status, 200);
    await end('keyed', again.credentials.access_token);
});

test('an MCP server that nobody has heard of: found, registered with, asked for a token of its own', async () => {
    const before = openid.registered;
    const { page } = await connect(server, 'any-mcp', 'one', { 'params[mcp_server_url]': `${openid.url}/mcp` });
    assert.equal(page.status, 200, await page.text());
    assert.equal(openid.registered, before + 1, 'one registration');
    const { credentials } = await read('any-mcp');
    // The token opens the server that it was asked for (RFC 8707), and no other.
    assert.equal((await bare(credentials.access_token, 'mcp')).status, 200);
    assert.equal((await bare(credentials.access_token, 'api/me')).status, 401);
    const again = await read('any-mcp', '&force_refresh=true');
    assert.notEqual(again.credentials.access_token, credentials.access_token);
    await end('any-mcp', again.credentials.access_token, 'mcp');
});
