// FAULTS 81, a first run: 10,000 hostile requests over all endpoints. No 500, no panic, every JSON error in the envelope.
// SEED repeats a run, REQUESTS sets how many.
import assert from 'node:assert/strict';
import { after, before, test } from 'node:test';
import { Server } from '../lib/server.mjs';

const REQUESTS = Number(process.env.REQUESTS ?? 10_000);
const SEED = Number(process.env.SEED ?? Math.floor(Math.random() * 2 ** 31));
const AT_ONCE = 16;

let state = SEED;
function random() {
    state = (state + 0x6d2b79f5) | 0;
    let mixed = Math.imul(state ^ (state >>> 15), 1 | state);
    mixed = (mixed + Math.imul(mixed ^ (mixed >>> 7), 61 | mixed)) ^ mixed;
    return ((mixed ^ (mixed >>> 14)) >>> 0) / 2 ** 32;
}
const pick = (list) => list[Math.floor(random() * list.length)];
const maybe = (share) => random() < share;

const ROUTES = [
    ['GET', '/health'], ['GET', '/ready'], ['GET', '/providers'], ['GET', '/providers/:id'], ['GET', '/providers/:id/templates'], ['GET', '/providers.json'],
    ['GET', '/environment'], ['PATCH', '/environment'], ['GET', '/environment-variables'],
    ['GET', '/integrations'], ['POST', '/integrations'], ['POST', '/integrations/quickstart'], ['GET', '/integrations/:id'], ['PATCH', '/integrations/:id'], ['DELETE', '/integrations/:id'],
    ['GET', '/integrations/:id/functions'], ['GET', '/integrations/:id/functions/:id'], ['GET', '/integrations/:id/functions/:id/code'], ['DELETE', '/integrations/:id/functions/:id'],
    ['GET', '/connections'], ['GET', '/connections/:id'], ['POST', '/connections'], ['PATCH', '/connections/:id'], ['POST', '/connections/metadata'], ['PATCH', '/connections/metadata'],
    ['GET', '/connection'], ['GET', '/connection/:id'], ['POST', '/connection'], ['DELETE', '/connection/:id'], ['POST', '/connection/:id/metadata'], ['GET', '/config/:id'],
    ['POST', '/connect/sessions'], ['POST', '/connect/sessions/reconnect'], ['GET', '/connect/session'], ['DELETE', '/connect/session'], ['POST', '/connect/telemetry'],
    ['GET', '/oauth/connect/:id'], ['GET', '/oauth/callback'], ['POST', '/oauth2/auth/:id'], ['POST', '/api-auth/api-key/:id'], ['POST', '/api-auth/basic/:id'], ['POST', '/auth/unauthenticated/:id'],
    ['POST', '/auth/two-step/:id'], ['POST', '/auth/jwt/:id'], ['POST', '/auth/tba/:id'], ['POST', '/auth/signature/:id'],
    ['GET', '/proxy/:id'], ['POST', '/proxy/:id'],
    ['GET', '/records'], ['GET', '/records/'], ['PATCH', '/records/prune'],
    ['POST', '/sync/deploy'], ['POST', '/sync/deploy/confirmation'], ['POST', '/sync/trigger'], ['POST', '/sync/start'], ['POST', '/sync/pause'], ['GET', '/sync/status'],
    ['PUT', '/sync/update-connection-frequency'], ['POST', '/sync/:id/variant/:id'], ['DELETE', '/sync/:id/variant/:id'],
    ['POST', '/action/trigger'], ['GET', '/action/:id'], ['GET', '/scripts/config'], ['GET', '/v1/:id'], ['POST', '/v1/:id'],
    ['GET', '/events'], ['POST', '/webhook/:id/:id'], ['POST', '/cli/telemetry'],
];

const NAMES = [
    'provider', 'unique_key', 'display_name', 'credentials', 'type', 'apiKey', 'username', 'password', 'client_id', 'client_secret', 'scopes', 'provider_config_key', 'connection_id', 'metadata',
    'connection_config', 'tags', 'end_user', 'organization', 'id', 'email', 'allowed_integrations', 'integrations_config_defaults', 'model', 'modified_after', 'delta', 'limit', 'cursor', 'filter', 'ids', 'variant',
    'syncs', 'sync_name', 'frequency', 'opts', 'reset', 'action_name', 'input', 'flowConfigs', 'deployMode', 'reconcile', 'sdkVersion', 'state', 'code', 'public_key', 'connect_session_token', 'params', 'hmac',
    'webhook_settings', 'primary_url', 'until_cursor', 'page', 'search', 'include', 'force_refresh', 'token', 'event', 'timestamp', '__proto__', 'constructor',
];

function text() {
    return pick([
        () => '', () => 'fuzz', () => 'known', () => 'a'.repeat(1 + Math.floor(random() * 300)), () => '\u0000', () => '‮\ud83d\ude00', () => "'; DROP TABLE connection; --", () => '${apiKey} ${connectionConfig.x}',
        () => '../../etc/passwd', () => '%00%ff', () => 'http://169.254.169.254/latest', () => 'javascript:alert(1)', () => '2024-01-01T00:00:00Z', () => '9'.repeat(400), () => '-1', () => '1e999', () => 'true', () => 'null', () => '{}',
        () => 'MjAyNC0wMS0wMVQwMDowMDowMFp8fHg=', () => '<script>alert(1)</script>', () => '00000000-0000-4000-8000-000000000000',
    ])();
}

function value(depth = 0) {
    return pick([
        text, text, () => Math.floor(random() * 2 ** 53), () => -random(), () => 1e308, () => null, () => true, () => [], () => ({}),
        ...(depth < 4 ? [() => Array.from({ length: Math.floor(random() * 5) }, () => value(depth + 1)), () => object(depth + 1), () => object(depth + 1)] : []),
    ])();
}

function object(depth = 0) {
    const made = {};
    for (let count = Math.floor(random() * 7); count > 0; count--) Object.defineProperty(made, pick(NAMES), { value: value(depth), enumerable: true, configurable: true, writable: true });
    return made;
}

function request(server) {
    const [method, pattern] = maybe(0.97) ? pick(ROUTES) : [pick(['GET', 'POST', 'PUT', 'DELETE', 'OPTIONS', 'PATCH']), `/${encodeURIComponent(text())}`];
    // What the test needs stays: deletions name something else.
    const path = pattern.replaceAll(':id', () => (method === 'DELETE' ? 'nobody' : encodeURIComponent(text()) || 'x'));
    const query = new URLSearchParams();
    for (let count = Math.floor(random() * 5); count > 0; count--) query.append(pick(NAMES) + (maybe(0.2) ? pick(['[]', '[a]', '[a][b]', '[', '[__proto__]']) : ''), text());
    const headers = {};
    if (maybe(0.9)) headers.authorization = `Bearer ${maybe(0.95) ? server.secretKey : 'not-a-key'}`;
    if (maybe(0.5)) headers['connection-id'] = 'known';
    if (maybe(0.5)) headers['provider-config-key'] = pick(['known', 'fuzz']);
    if (maybe(0.1)) headers.retries = pick(['-1', '1.5', 'x', '99999999999']);
    if (maybe(0.1)) headers['x-async'] = pick(['true', 'maybe']);
    if (maybe(0.1)) headers['base-url-override'] = pick(['http://169.254.169.254', 'nonsense', 'file:///etc/passwd']);
    let body;
    if (method !== 'GET' && maybe(0.9)) {
        headers['content-type'] = maybe(0.93) ? 'application/json' : pick(['text/plain', 'application/xml', 'multipart/form-data', 'application/x-www-form-urlencoded']);
        body = maybe(0.92) ? JSON.stringify(maybe(0.9) ? object() : value()) : pick(['{', '[[[[', '"\\ud800"', '\u0000', '['.repeat(5_000), '{"a":1,"a":2}', '1e999999']);
    }
    return { method, url: `${server.url}${path}${query.size ? `?${query}` : ''}`, headers, body };
}

let server;
before(async () => {
    server = await Server.start();
    await server.ok('POST', '/integrations', { provider: 'unauthenticated', unique_key: 'known' });
    await server.ok('POST', '/connections', { provider_config_key: 'known', connection_id: 'known', credentials: { type: 'NONE' } });
});
after(() => server?.stop());

test(`faults_81: ${REQUESTS} hostile requests (SEED=${SEED})`, { timeout: 10 * 60_000 }, async (t) => {
    const bad = [];
    const statuses = new Map();
    let sent = 0;
    const client = async () => {
        while (sent++ < REQUESTS) {
            const { method, url, headers, body } = request(server);
            let response;
            try {
                response = await fetch(url, { method, headers, body, redirect: 'manual', signal: AbortSignal.timeout(20_000) });
            } catch (error) {
                bad.push({ method, url, body, error: error.message });
                continue;
            }
            const answer = await response.text();
            statuses.set(response.status, (statuses.get(response.status) ?? 0) + 1);
            const json = (response.headers.get('content-type') ?? '').includes('json');
            // The proxy passes on what the provider said; /v1 has the reference's older shape.
            const upstream = url.includes('/proxy/') || url.includes('/v1/');
            if (response.status >= 500 && !upstream) bad.push({ method, url, headers, body, status: response.status, answer: answer.slice(0, 300) });
            if (response.status >= 400 && json && !upstream && typeof JSON.parse(answer).error?.code !== 'string') bad.push({ method, url, body, status: response.status, answer: answer.slice(0, 300) });
        }
    };
    await Promise.all(Array.from({ length: AT_ONCE }, client));
    t.diagnostic(JSON.stringify(Object.fromEntries([...statuses].sort())));
    assert.ok((statuses.get(200) ?? 0) > REQUESTS / 100, 'some requests were right');
    assert.deepEqual(bad.slice(0, 5), [], `${bad.length} bad answers`);
    assert.ok(!server.output.includes('panicked'), server.output.slice(-3000));
    assert.equal((await server.api('GET', '/health')).status, 200);
    assert.equal((await server.ok('GET', '/connections/known?provider_config_key=known')).connection_id, 'known', 'nothing stored was lost');
});
