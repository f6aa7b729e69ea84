// OAuth 1 signatures, judged by a library of others (`oauth-1.0a`): request token, access token, and requests through the
// proxy with queries and forms that have to be part of what is signed.
import assert from 'node:assert/strict';
import { createHmac } from 'node:crypto';
import { createServer } from 'node:http';
import { rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { after, before, test } from 'node:test';
import OAuth from 'oauth-1.0a';
import { Server } from '../lib/server.mjs';

const CONSUMER = { key: 'consumer key', secret: 'consumer&secret=1' };
const SECRETS = { '': '', 'request token': 'request/secret', 'access token': 'access+secret' };
const HASHES = { 'HMAC-SHA1': 'sha1', 'HMAC-SHA256': 'sha256' };

let provider, providers, server;
const seen = [];

function judge(method) {
    const hash = HASHES[method];
    return new OAuth({ consumer: CONSUMER, signature_method: method, ...(hash && { hash_function: (base, key) => createHmac(hash, key).update(base).digest('base64') }) });
}

/** What a request says in its header, and whether its signature is the one that the judge makes of it. */
function judged(request, body) {
    const header = request.headers.authorization ?? '';
    const said = Object.fromEntries([...header.matchAll(/(\w+)="([^"]*)"/g)].map(([, name, value]) => [name, decodeURIComponent(value)]));
    const { oauth_signature: signature, realm, ...signed } = said;
    const isForm = (request.headers['content-type'] ?? '').startsWith('application/x-www-form-urlencoded');
    const data = isForm ? Object.fromEntries(new URLSearchParams(body)) : {};
    const asked = { method: request.method, url: `http://${request.headers.host}${request.url}`, data };
    const expected = judge(said.oauth_signature_method).getSignature(asked, SECRETS[said.oauth_token ?? ''], signed);
    return { ...signed, realm, url: request.url, isRight: signature === expected && said.oauth_consumer_key === CONSUMER.key };
}

before(async () => {
    provider = createServer(async (request, response) => {
        let body = '';
        for await (const chunk of request) body += chunk;
        const verdict = judged(request, body);
        seen.push(verdict);
        if (!verdict.isRight) return response.writeHead(401).end('{"error":"signature"}');
        const form = (fields) => response.writeHead(200, { 'content-type': 'application/x-www-form-urlencoded' }).end(String(new URLSearchParams(fields)));
        if (request.url.startsWith('/request')) return form({ oauth_token: 'request token', oauth_token_secret: SECRETS['request token'], oauth_callback_confirmed: 'true' });
        if (request.url.startsWith('/access') && verdict.oauth_verifier === 'v/1') return form({ oauth_token: 'access token', oauth_token_secret: SECRETS['access token'] });
        return response.writeHead(200, { 'content-type': 'application/json' }).end(JSON.stringify({ url: request.url, body }));
    });
    await new Promise((done) => provider.listen(0, '127.0.0.1', done));
    const url = `http://127.0.0.1:${provider.address().port}`;
    const common = { display_name: 'OAuth 1', categories: ['other'], docs: 'https://example.test', proxy: { base_url: `${url}/api` } };
    const three = { ...common, auth_mode: 'OAUTH1', request_url: `${url}/request`, authorization_url: `${url}/authorize`, token_url: `${url}/access` };
    const entries = {
        sha1: { ...three, signature_method: 'HMAC-SHA1' },
        sha256: { ...three, signature_method: 'HMAC-SHA256' },
        plain: { ...three, signature_method: 'PLAINTEXT' },
        tba: { ...common, auth_mode: 'TBA' },
    };
    providers = join(tmpdir(), `tenon-oauth1-${process.pid}.json`);
    await writeFile(providers, JSON.stringify(entries));
    server = await Server.start({ flags: ['--providers', providers] });
    for (const [name, { auth_mode: type }] of Object.entries(entries)) {
        await server.ok('POST', '/integrations', { unique_key: name, provider: name, credentials: { type, client_id: CONSUMER.key, client_secret: CONSUMER.secret } });
    }
});

after(async () => {
    await server?.stop();
    provider?.closeAllConnections();
    provider?.close();
    if (providers) await rm(providers, { force: true });
});

/** Requests whose parameters are hard to sign: encoded, repeated, unsorted, empty, and in a form. */
async function callAll(integration) {
    const headers = { 'provider-config-key': integration, 'connection-id': 'alice' };
    for (const path of ['/plain', '/q?b=2&a=1&a=0&c=', '/q?text=%C3%A4%20%26%3D%2F~.-_&x=%27%28%29%2A%21', "/p%20th/x'y?z=1"]) {
        const answer = await server.api('GET', `/proxy${path}`, undefined, headers);
        assert.equal(answer.status, 200, `${integration} ${path}: ${answer.text} ${JSON.stringify(seen.at(-1))}`);
    }
    const form = 'status=Hello%20Ladies%20%2B%20Gentlemen&a=1';
    const posted = await fetch(`${server.url}/proxy/form?b=2`, { method: 'POST', body: form, headers: { ...headers, authorization: `Bearer ${server.secretKey}`, 'content-type': 'application/x-www-form-urlencoded' } });
    assert.equal(posted.status, 200, `${integration}: ${await posted.text()}`);
    const json = await server.api('POST', '/proxy/json', { a: 1 }, headers);
    assert.equal(json.status, 200, `${integration}: ${json.text}`);
    assert.deepEqual(json.json.body, '{"a":1}');
}

for (const [integration, method] of [['sha1', 'HMAC-SHA1'], ['sha256', 'HMAC-SHA256'], ['plain', 'PLAINTEXT']]) {
    test(`every request is signed by ${method} as others sign it`, async () => {
        seen.length = 0;
        const query = new URLSearchParams({ public_key: server.environment().public_key, connection_id: 'alice' });
        const start = await fetch(`${server.url}/oauth/connect/${integration}?${query}`, { redirect: 'manual' });
        assert.equal(start.status, 302, await start.text());
        const location = new URL(start.headers.get('location'));
        assert.equal(location.searchParams.get('oauth_token'), 'request token');
        const back = new URL(seen[0].oauth_callback);
        back.searchParams.set('oauth_token', 'request token');
        back.searchParams.set('oauth_verifier', 'v/1');
        const cookie = start.headers.getSetCookie()[0]?.split(';')[0] ?? '';
        const page = await fetch(back, { headers: { cookie } });
        assert.equal(page.status, 200, await page.text());
        await callAll(integration);
        assert.equal(seen.length, 8);
        assert.ok(seen.every((one) => one.isRight && one.oauth_signature_method === method));
        assert.deepEqual(seen.map((one) => one.oauth_token), [undefined, 'request token', ...Array(6).fill('access token')]);
        assert.equal(new Set(seen.map((one) => one.oauth_nonce)).size, seen.length);
    });
}

test('token-based requests are signed the same way, with the realm beside it', async () => {
    seen.length = 0;
    const query = `connection_id=alice&public_key=${server.environment().public_key}&params[accountId]=12-sb1`;
    const made = await server.api('POST', `/auth/tba/tba?${query}`, { token_id: 'access token', token_secret: SECRETS['access token'] });
    assert.equal(made.status, 200, made.text);
    await callAll('tba');
    assert.ok(seen.length >= 6 && seen.every((one) => one.isRight && one.realm === '12_SB1' && one.oauth_signature_method === 'HMAC-SHA256'));
});
