// Every method of the published frontend client, over its versions, in a real browser (auth-and-proxy.md, 2.3 and 5). The
// oldest is 0.21: what came before waited for a message that the reference's callback page no longer sends.
import assert from 'node:assert/strict';
import { mkdtemp, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { after, before, test } from 'node:test';
import { HostPage, launchBrowser } from '../lib/browser.mjs';
import { Consent } from '../lib/consent.mjs';
import { Server, freePort, until } from '../lib/server.mjs';

const VERSIONS = [
    { minor: 21, module: 'nango-frontend-0.21' },
    { minor: 36, module: 'nango-frontend-0.36' },
    { minor: 48, module: 'nango-frontend-0.48' },
    { minor: 71, module: '@nangohq/frontend' },
];

/** Not meant to be called by users; the methods around them call them. */
const INTERNAL = ['constructor', 'toQueryString', 'isCloud', 'convertCredentialsToConfig', 'customAuth', 'triggerAuth', 'ensureCredentials'];

let browser, host, consent, server, connectUrl;

before(async () => {
    [browser, host, consent] = await Promise.all([launchBrowser(), HostPage.start(), Consent.start()]);
    const file = join(await mkdtemp(join(tmpdir(), 'tenon-providers-')), 'providers.json');
    await writeFile(file, consent.providers());
    // Up to 0.5x the client compares the origin of a message with the whole `baseURL`: the Connect UI needs its own port.
    const connectPort = await freePort();
    connectUrl = `http://localhost:${connectPort}`;
    server = await Server.start({ flags: ['--providers', file, '--connect-port', String(connectPort)] });
    for (const provider of ['key', 'basic', 'client', 'steps', 'none']) await server.ok('POST', '/integrations', { provider, unique_key: provider });
    await server.ok('POST', '/integrations', { provider: 'popup', unique_key: 'popup', credentials: { type: 'OAUTH2', client_id: 'id', client_secret: 'secret', scopes: 'read' } });
});

after(async () => {
    await browser?.close();
    await server?.stop();
    await Promise.all([host?.stop(), consent?.stop()]);
});

/** Runs `call` with a client in the page, inside a click, and gives what became of it. */
async function inPage(page, module, options, call) {
    await page.evaluate(
        async ({ source, options, call }) => {
            const { default: Nango } = await import(source);
            window.outcome = undefined;
            document.getElementById('go').onclick = () => {
                const work = async () => new Function('nango', `return (${call})(nango)`)(new Nango(options));
                window.outcome = work().then((result) => ({ result }), (error) => ({ error: { type: error.type, message: String(error.message) } }));
            };
        },
        { source: `${host.url}npm/${module}/dist/index.js`, options, call: call.toString() },
    );
    await page.click('#go');
    return page.waitForFunction(() => window.outcome).then((handle) => handle.jsonValue());
}

/** Like `inPage` for a call that opens a popup, where `link` is clicked. */
async function withPopup(page, module, options, call, link) {
    const opened = page.waitForEvent('popup');
    const outcome = inPage(page, module, options, call);
    const popup = await opened;
    await popup.waitForSelector(link);
    await popup.click(link);
    return outcome;
}

const credentials = async (id, integration) => (await server.ok('GET', `/connections/${id}?provider_config_key=${integration}`)).credentials;

async function session(body = {}) {
    return (await server.ok('POST', '/connect/sessions', { end_user: { id: 'u1', email: 'u1@example.test' }, ...body })).data.token;
}

/** How a version proves itself, and the call's id argument: a public key with one, or a session token without. */
async function caller(minor, body) {
    if (minor < 48) return { host: server.url, publicKey: server.environment().public_key };
    return { host: server.url, connectSessionToken: await session(body) };
}

const SUCCESS = { 21: ['connectionId', 'providerConfigKey'], 36: ['connectionId', 'providerConfigKey'], 48: ['connectionId', 'isPending', 'providerConfigKey'], 71: ['connectionId', 'isPending', 'providerConfigKey'] };

const CALLS = {
    async auth({ page, minor, module }) {
        const call = minor < 48 ? `(nango) => nango.auth('popup', 'own-${minor}')` : `(nango) => nango.auth('popup')`;
        const { result, error } = await withPopup(page, module, await caller(minor), call, '#allow');
        assert.equal(error, undefined);
        assert.deepEqual(Object.keys(result).sort(), SUCCESS[minor]);
        if (minor < 48) assert.equal(result.connectionId, `own-${minor}`);
        assert.equal((await credentials(result.connectionId, 'popup')).access_token, 'granted-canary-token');

        const denied = await withPopup(page, module, await caller(minor), call, '#deny');
        assert.match(JSON.stringify(denied.error), /denied/);
        if (minor < 36) return;

        for (const { integration, wrong, right, stored } of PROOFS.filter((proof) => minor >= proof.since)) {
            const id = minor < 48 ? `'${integration}-${minor}', ` : '';
            const ask = async (given) => inPage(page, module, await caller(minor), `(nango) => nango.auth('${integration}', ${id}{ credentials: ${JSON.stringify(given)} })`);
            if (wrong) assert.ok((await ask(wrong)).error, `${integration} takes no wrong proof`);
            const { result, error } = await ask(right);
            assert.equal(error, undefined, `${integration}: ${error?.message}`);
            assert.equal(result.providerConfigKey, integration);
            const kept = await credentials(result.connectionId, integration);
            for (const [key, value] of Object.entries(stored)) assert.equal(kept[key], value, `${integration}.${key}`);
        }
    },
    async create({ page, minor, module }) {
        const { result, error } = await inPage(page, module, await caller(minor), minor < 48 ? `(nango) => nango.create('none', 'none-${minor}')` : `(nango) => nango.create('none')`);
        // 0.36 asks `/unauth`, which is gone.
        if (minor < 48) return assert.ok(error);
        assert.equal(error, undefined);
        assert.deepEqual(await credentials(result.connectionId, 'none'), {});
    },
    async reconnect({ page, minor, module }) {
        const id = `again-${minor}`;
        await server.ok('POST', '/connections', { provider_config_key: 'popup', connection_id: id, credentials: { type: 'OAUTH2', access_token: 'old-token', expires_at: '2999-01-01T00:00:00.000Z' } });
        const { data } = await server.ok('POST', '/connect/sessions/reconnect', { connection_id: id, integration_id: 'popup' });
        const { result, error } = await withPopup(page, module, { host: server.url, connectSessionToken: data.token }, `(nango) => nango.reconnect('popup')`, '#allow');
        assert.equal(error, undefined);
        assert.equal(result.connectionId, id);
        assert.equal((await credentials(id, 'popup')).access_token, 'granted-canary-token');
    },
    async clear({ page, minor, module }) {
        // The window of the first attempt is closed by `clear`, and a second one may open.
        const opens = page.waitForEvent('popup');
        await inPage(page, module, await caller(minor), `(nango) => { window.kept = nango; nango.auth('popup').catch(() => {}); return true; }`);
        const first = await opens;
        const { result, error } = await withPopup(page, module, {}, `() => { window.kept.clear(); return window.kept.auth('popup'); }`, '#allow');
        await until('the first window to close', () => first.isClosed());
        assert.equal(error, undefined);
        assert.equal(result.providerConfigKey, 'popup');
    },
    async openConnectUI({ page, minor, module }) {
        const options = { sessionToken: await session({ allowed_integrations: ['key'] }), baseURL: connectUrl, apiURL: server.url };
        const { error } = await inPage(page, module, { host: server.url }, `(nango) => { window.events = []; window.ui = nango.openConnectUI({ ...${JSON.stringify(options)}, onEvent: (event) => { window.events.push(event); } }); return true; }`);
        assert.equal(error, undefined);
        const frame = await until('the frame', () => page.frames().find((one) => one.url().startsWith(connectUrl)));
        await frame.locator('input[name="apiKey"], input[type=password]').first().fill('right-canary-key');
        await frame.locator('button[type=submit]').click();
        const connected = await until('the connect event', async () => (await page.evaluate(() => window.events)).find((event) => event.type === 'connect'));
        assert.equal(connected.payload.providerConfigKey, 'key');
        assert.equal((await credentials(connected.payload.connectionId, 'key')).apiKey, 'right-canary-key');
        await page.evaluate(() => window.ui.close());
        assert.equal(await page.locator('#connect-ui').count(), 0);
    },
};

/** Credentials that are given in place of a popup, and since when. */
const PROOFS = [
    { since: 36, integration: 'key', wrong: { apiKey: 'wrong-key' }, right: { apiKey: 'right-canary-key' }, stored: { type: 'API_KEY', apiKey: 'right-canary-key' } },
    { since: 36, integration: 'basic', wrong: { username: 'alice', password: 'wrong' }, right: { username: 'alice', password: 'right-canary-word' }, stored: { type: 'BASIC', username: 'alice', password: 'right-canary-word' } },
    { since: 48, integration: 'client', right: { client_id: 'their-id', client_secret: 'their-canary-secret' }, stored: { type: 'OAUTH2_CC', token: 'granted-canary-token', client_id: 'their-id' } },
    { since: 48, integration: 'steps', wrong: { type: 'TWO_STEP', word: 'wrong' }, right: { type: 'TWO_STEP', word: 'right-canary-word' }, stored: { type: 'TWO_STEP', token: 'stepped-canary-token' } },
];

for (const { minor, module } of VERSIONS) {
    test(`every method of the frontend client 0.${minor}`, async (t) => {
        const context = await browser.newContext();
        const page = await context.newPage();
        await page.goto(host.url);
        const methods = await page.evaluate(async (source) => Object.getOwnPropertyNames((await import(source)).default.prototype), `${host.url}npm/${module}/dist/index.js`);
        for (const name of methods.filter((name) => !INTERNAL.includes(name))) {
            assert.ok(CALLS[name], `\`${name}\` of 0.${minor} is called by nobody here`);
            await t.test(name, () => CALLS[name]({ page, minor, module }));
        }
        await context.close();
    });
}
