// TLS against Node's servers: certificates of theirs that we check, a certificate of ours that they check (ADP), and
// redirects that would leave TLS. The reference skips the check of the server's certificate wherever it shows its own.
import assert from 'node:assert/strict';
import { createServer as createHttp } from 'node:http';
import { createServer as createHttps } from 'node:https';
import { rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { after, before, test } from 'node:test';
import { Authority } from '../lib/certificates.mjs';
import { Server, until } from '../lib/server.mjs';

let trusted, stranger, client, server, folder;
const open = [];

/** A server on loopback that notes what arrives. */
async function listen(make, answer) {
    const seen = [];
    const http = make((request, response) => {
        const body = [];
        request.on('data', (chunk) => body.push(chunk)).on('end', () => {
            const certificate = request.socket.getPeerCertificate?.();
            seen.push({ url: request.url, headers: request.headers, body: String(Buffer.concat(body)), subject: certificate?.subject?.CN, authorized: request.socket.authorized });
            answer(request, response);
        });
    });
    http.on('tlsClientError', () => {});
    await new Promise((done) => http.listen(0, '127.0.0.1', done));
    open.push(http);
    return { http, seen, port: http.address().port };
}

/** The token endpoint and API of a provider that lets nobody in without a certificate of the trusted authority. */
async function guarded(issued) {
    const json = (response, body) => response.writeHead(200, { 'content-type': 'application/json' }).end(JSON.stringify(body));
    const options = { ...issued, ca: [trusted.certificate], requestCert: true, rejectUnauthorized: true };
    return listen((handler) => createHttps(options, handler), (request, response) => {
        if (request.url === '/token') return json(response, { access_token: 'at', expires_in: 3600 });
        return json(response, { path: request.url });
    });
}

before(async () => {
    [trusted, stranger] = await Promise.all([Authority.start('Trusted'), Authority.start('Stranger')]);
    client = await trusted.issue('customer', { use: 'clientAuth' });
    const servers = {
        good: await guarded(await trusted.issue('good')),
        untrusted: await guarded(await stranger.issue('untrusted')),
        misnamed: await guarded(await trusted.issue('misnamed', { names: 'DNS:other.test' })),
        purpose: await guarded(await trusted.issue('purpose', { use: 'clientAuth' })),
    };
    const plain = await listen((handler) => createHttp(handler), (_request, response) => response.end('{}'));
    const away = { leaves: `http://localhost:${plain.port}/left`, crosses: `https://127.0.0.1:${servers.good.port}/crossed` };
    // Redirects on the n-th hop, to another host or out of TLS.
    const tls = await trusted.issue('redirects');
    servers.redirects = await listen((handler) => createHttps(tls, handler), (request, response) => {
        const [, kind, left] = request.url.split('/');
        const location = Number(left) > 1 ? `/${kind}/${Number(left) - 1}` : away[kind];
        response.writeHead(307, { location }).end();
    });
    servers.plain = plain;
    folder = join(tmpdir(), `tenon-tls-${process.pid}.json`);
    const entry = (name, port) => [name, {
        display_name: name, categories: ['other'], auth_mode: 'OAUTH2_CC', token_url: `https://localhost:${port}/token`, require_client_certificate: true,
        token_params: { grant_type: 'client_credentials' }, proxy: { base_url: `https://localhost:${port}` }, docs: 'https://example.test',
        credentials: Object.fromEntries(['client_certificate', 'client_private_key'].map((field) => [field, { type: 'string', title: field, description: field, secret: true }])),
    }];
    const entries = Object.fromEntries(['good', 'untrusted', 'misnamed', 'purpose'].map((name) => entry(name, servers[name].port)));
    entries.redirects = {
        display_name: 'redirects', categories: ['other'], auth_mode: 'API_KEY', proxy: { base_url: `https://localhost:${servers.redirects.port}`, headers: { authorization: 'Bearer ${apiKey}' } },
        credentials: { apiKey: { type: 'string', title: 'Key', description: 'Key' } }, docs: 'https://example.test',
    };
    await writeFile(folder, JSON.stringify(entries));
    server = await Server.start({ flags: ['--providers', folder], env: { SSL_CERT_FILE: trusted.file } });
    Object.assign(server, { servers });
    for (const name of Object.keys(entries)) await server.ok('POST', '/integrations', { unique_key: name, provider: name });
});

after(async () => {
    await server?.stop();
    for (const http of open) {
        http.closeAllConnections();
        http.close();
    }
    await Promise.all([trusted?.stop(), stranger?.stop(), folder && rm(folder, { force: true })]);
});

const connect = (name, identity) =>
    server.api('POST', `/oauth2/auth/${name}?connection_id=alice&public_key=${server.environment().public_key}`, { client_id: 'cid', client_secret: 'sec', ...identity });

const identity = ({ cert, key }) => ({ client_certificate: cert, client_private_key: key });

const proxied = (name, path) => server.api('GET', `/proxy${path}`, undefined, { 'provider-config-key': name, 'connection-id': 'alice' });

test('a client certificate is shown with the token request and with every proxied one', async () => {
    const { seen } = server.servers.good;
    const made = await connect('good', identity(client));
    assert.equal(made.status, 200, made.text);
    const answer = await proxied('good', '/v1/workers');
    assert.deepEqual([answer.status, answer.json], [200, { path: '/v1/workers' }], answer.text);
    assert.deepEqual(seen.map(({ url, subject, authorized }) => ({ url, subject, authorized })), [
        { url: '/token', subject: 'customer', authorized: true },
        { url: '/v1/workers', subject: 'customer', authorized: true },
    ]);
    assert.equal(seen[1].headers.authorization, 'Bearer at');
    const shown = await server.ok('GET', '/connections/alice?provider_config_key=good');
    assert.equal(shown.credentials.type, 'OAUTH2_CC');
    await server.ok('DELETE', '/connections/alice?provider_config_key=good');
});

test('a provider that trusts somebody else, or wants a certificate, is not reached without', async () => {
    const { seen } = server.servers.good;
    const before = seen.length;
    const foreign = await stranger.issue('foreign', { use: 'clientAuth' });
    for (const given of [identity(foreign), {}]) {
        const refused = await connect('good', given);
        assert.equal(refused.status, 400, refused.text);
        // Node hangs up, and what it was sent may be lost on the way; others say why first.
        assert.match(refused.text, /socket hang up|ECONNRESET|does not take our client certificate/, refused.text);
    }
    // Half a pair, or a key of somebody else, is said before anybody is asked.
    for (const given of [{ client_certificate: client.cert, client_private_key: foreign.key }, { client_certificate: 'no certificate', client_private_key: client.key }]) {
        const refused = await connect('good', given);
        assert.equal(refused.status, 400, refused.text);
        assert.match(refused.text, /client certificate or its key/, refused.text);
        assert.doesNotMatch(refused.text + server.output, /PRIVATE KEY/);
    }
    assert.equal(seen.length, before);
});

for (const [name, says] of [['untrusted', /authority that this machine does not trust/], ['misnamed', /not valid for name .*localhost/], ['purpose', /server's certificate cannot be used/]]) {
    test(`a server with a certificate that is ${name} is refused, with the reason, and sees no secret`, async () => {
        const { seen } = server.servers[name];
        const refused = await connect(name, identity(client));
        assert.equal(refused.status, 400, refused.text);
        assert.match(refused.text, says, refused.text);
        assert.match(refused.text, /certificate/i, refused.text);
        assert.deepEqual(seen, [], 'not even the head of a request');
        // The same for a connection that is there already.
        const body = { provider_config_key: name, connection_id: 'alice', credentials: { type: 'OAUTH2_CC', token: 'at', client_id: 'cid', client_secret: 'sec', ...identity(client), expires_at: '2099-01-01T00:00:00.000Z' } };
        await server.ok('POST', '/connections', body);
        const answer = await proxied(name, '/v1/workers');
        assert.ok(answer.status >= 500, answer.text);
        assert.match(answer.text, /certificate/i);
        assert.deepEqual(seen, []);
    });
}

test('faults_46: a redirect out of TLS is refused on every hop', async () => {
    const { redirects, plain, good } = server.servers;
    await server.ok('POST', '/connections', { provider_config_key: 'redirects', connection_id: 'alice', credentials: { type: 'API_KEY', apiKey: 'secret' } });
    for (let hop = 1; hop <= 5; hop++) {
        redirects.seen.length = 0;
        const answer = await proxied('redirects', `/leaves/${hop}`);
        assert.ok(answer.status >= 400, answer.text);
        assert.match(answer.text, /https to http/, answer.text);
        assert.equal(redirects.seen.length, hop);
        assert.ok(redirects.seen.every(({ headers }) => headers.authorization === 'Bearer secret'));
    }
    assert.deepEqual(plain.seen, []);
    // To another host over TLS it is followed, without the key. That one wants a certificate, and there is none to show.
    const before = good.seen.length;
    const answer = await proxied('redirects', '/crosses/1');
    assert.ok(answer.status >= 400, answer.text);
    assert.equal(good.seen.length, before);
});

test('faults_46: another host over TLS is reached, and gets no key', async () => {
    const issued = await trusted.issue('elsewhere');
    const elsewhere = await listen((handler) => createHttps(issued, handler), (_request, response) => response.end('{"there":true}'));
    const bounce = await listen((handler) => createHttps(issued, handler), (_request, response) => response.writeHead(307, { location: `https://127.0.0.1:${elsewhere.port}/there` }).end());
    const headers = { 'provider-config-key': 'redirects', 'connection-id': 'alice', 'base-url-override': `https://localhost:${bounce.port}` };
    const answer = await server.api('GET', '/proxy/x', undefined, headers);
    assert.deepEqual([answer.status, answer.json], [200, { there: true }], answer.text);
    assert.equal(bounce.seen[0].headers.authorization, 'Bearer secret');
    assert.equal(elsewhere.seen.length, 1);
    assert.equal(elsewhere.seen[0].headers.authorization, undefined);
    await until('no secret in the log', () => !server.output.includes('Bearer secret'));
});
