// Real Chromium, the published frontend package, servers that nobody here wrote.
import assert from 'node:assert/strict';
import { createServer } from 'node:http';
import { mkdir, mkdtemp, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { after, before, test } from 'node:test';
import { HostPage, launchBrowser } from '../lib/browser.mjs';
import { GitHub } from '../lib/emulate.mjs';
import { OpenIdServer } from '../lib/oidc.mjs';
import { githubIntegration } from '../lib/project.mjs';
import { Server, freePort, until } from '../lib/server.mjs';

let browser, host, github, openid, keyApi, server;

/** An API with one valid key. */
async function startKeyApi() {
    const api = createServer((request, response) => {
        const ok = request.headers['x-key'] === 'right-canary-key';
        response.writeHead(ok ? 200 : 401, { 'content-type': 'application/json' }).end(JSON.stringify({ ok }));
    });
    await new Promise((done) => api.listen(0, '127.0.0.1', done));
    api.url = `http://127.0.0.1:${api.address().port}`;
    return api;
}

before(async () => {
    const port = await freePort();
    const callback = `http://localhost:${port}/oauth/callback`;
    [browser, host, github, openid, keyApi] = await Promise.all([launchBrowser(), HostPage.start(), GitHub.start(callback), OpenIdServer.start({ callback, accessTokenSeconds: 3600 }), startKeyApi()]);
    const folder = await mkdtemp(join(tmpdir(), 'tenon-providers-'));
    const providers = join(folder, 'providers.yaml');
    await writeFile(
        providers,
        `github:
    display_name: GitHub (emulated)
    categories: [dev-tools]
    auth_mode: OAUTH2
    authorization_url: ${github.url}/login/oauth/authorize
    token_url: ${github.url}/login/oauth/access_token
    disable_pkce: true
    proxy: { base_url: "${github.url}" }
    docs: https://example.test/docs
strict-openid:
    display_name: Strict OpenID
    categories: [dev-tools]
    auth_mode: OAUTH2
    authorization_url: ${openid.url}/auth
    token_url: ${openid.url}/token
    authorization_params: { prompt: consent }
    proxy: { base_url: "${openid.url}" }
    docs: https://example.test/docs
one-key:
    display_name: One Key
    categories: [dev-tools]
    auth_mode: API_KEY
    proxy:
        base_url: ${keyApi.url}
        headers: { x-key: "\${apiKey}" }
        verification: { method: GET, endpoints: [/me] }
    credentials:
        apiKey: { type: string, title: API key, description: The key of the account }
    docs: https://example.test/docs
`,
    );
    server = new Server();
    server.options = { flags: ['--providers', providers] };
    server.folder = folder;
    server.dataDir = join(folder, 'data');
    server.port = port;
    await mkdir(server.dataDir, { recursive: true });
    await server.launch();
    await githubIntegration(server, github);
    await server.ok('POST', '/integrations', {
        provider: 'strict-openid',
        unique_key: 'openid',
        credentials: { type: 'OAUTH2', client_id: openid.clientId, client_secret: openid.clientSecret, scopes: 'openid,offline_access' },
    });
    await server.ok('POST', '/integrations', { provider: 'one-key', unique_key: 'one-key' });
});

after(async () => {
    await browser?.close();
    await server?.stop();
    await Promise.all([host?.stop(), github?.stop(), openid?.stop()]);
    keyApi?.close();
});

/** A fresh page of the app. */
async function appPage() {
    const context = await browser.newContext();
    const page = await context.newPage();
    page.on('pageerror', (error) => console.error(`page error: ${error.message}`));
    await page.goto(host.url);
    return page;
}

/** Starts `auth` of the published package from a click; returns the popup and a promise of the outcome. */
async function startAuth(page, options, args) {
    await page.evaluate(
        ({ url, options, args }) => {
            document.getElementById('go').onclick = async () => {
                const { default: Nango } = await import(`${url}npm/@nangohq/frontend/dist/index.js`);
                const nango = new Nango(options);
                window.outcome = nango.auth(...args).then(
                    (result) => ({ result }),
                    (error) => ({ error: { type: error.type, message: error.message } }),
                );
            };
            // The module is loaded before the click, so that the popup opens inside the gesture.
            return import(`${url}npm/@nangohq/frontend/dist/index.js`);
        },
        { url: host.url, options, args },
    );
    const popupOpens = page.waitForEvent('popup');
    await page.click('#go');
    const popup = await popupOpens;
    const outcome = page.waitForFunction(() => window.outcome).then(() => page.evaluate(() => window.outcome));
    return { popup, outcome };
}

/** Logs in at the strict OpenID server. */
async function logIn(popup) {
    await popup.waitForSelector('input[name=login]');
    await popup.fill('input[name=login]', 'alice');
    await popup.fill('input[name=password]', 'any');
    await popup.click('button[type=submit]');
    await popup.waitForSelector('text=Authorize');
    await popup.click('button[type=submit]');
}

async function sessionToken(integrations = []) {
    const session = await server.ok('POST', '/connect/sessions', { end_user: { id: 'u1', email: 'u1@example.test', display_name: 'User One' }, allowed_integrations: integrations });
    return session.data;
}

test("auth('github', 'user123') with the public key", async () => {
    const page = await appPage();
    const { popup, outcome } = await startAuth(page, { host: server.url, publicKey: server.environment().public_key }, ['github', 'user123']);
    await popup.waitForSelector('button.user-btn');
    await popup.click('button.user-btn');
    const { result, error } = await outcome;
    assert.equal(error, undefined);
    assert.deepEqual(result, { providerConfigKey: 'github', connectionId: 'user123', isPending: false });
    const connection = await server.ok('GET', '/connections/user123?provider_config_key=github');
    assert.equal(connection.credentials.type, 'OAUTH2');
    assert.ok(connection.credentials.access_token);
    await page.context().close();
});

test('auth with a session token against the strict OpenID server: PKCE, then rotation, then a real 401', async () => {
    const { token } = await sessionToken(['openid']);
    const page = await appPage();
    const { popup, outcome } = await startAuth(page, { host: server.url, connectSessionToken: token }, ['openid']);
    await logIn(popup);
    const { result, error } = await outcome;
    assert.equal(error, undefined);
    const { connectionId } = result;
    const path = `/connections/${connectionId}?provider_config_key=openid`;
    const first = await server.ok('GET', `${path}&refresh_token=true`);
    assert.equal(first.end_user.id, 'u1');
    assert.ok(first.credentials.refresh_token);

    const forced = await server.ok('GET', `${path}&force_refresh=true&refresh_token=true`);
    assert.notEqual(forced.credentials.access_token, first.credentials.access_token);
    assert.notEqual(forced.credentials.refresh_token, first.credentials.refresh_token);
    const headers = { 'connection-id': connectionId, 'provider-config-key': 'openid' };
    assert.equal((await server.ok('GET', '/proxy/api/me', undefined, headers)).account, 'alice');

    // Twenty forced reads at once: a second refresh with the same token would kill the whole grant.
    const before = openid.tokenRequests.length;
    await Promise.all(Array.from({ length: 20 }, () => server.ok('GET', `${path}&force_refresh=true`)));
    assert.ok(openid.tokenRequests.slice(before).every((request) => request.ok));
    assert.ok(openid.tokenRequests.length - before <= 2, `${openid.tokenRequests.length - before} refreshes`);
    assert.equal((await server.ok('GET', '/proxy/api/me', undefined, headers)).account, 'alice');
    await page.context().close();
});

test('a user who denies gets an error with the cause', async () => {
    const { token } = await sessionToken(['openid']);
    const page = await appPage();
    const { popup, outcome } = await startAuth(page, { host: server.url, connectSessionToken: token }, ['openid']);
    await popup.waitForSelector('input[name=login]');
    await popup.click('a[href*=abort]');
    const { error } = await outcome;
    assert.ok(error, 'the attempt ends');
    assert.match(JSON.stringify(error), /access_denied|denied|aborted/);
    await page.context().close();
});

test('a popup that is closed ends in window_closed when the app asked for it', async () => {
    const { token } = await sessionToken(['github']);
    const page = await appPage();
    const { popup, outcome } = await startAuth(page, { host: server.url, connectSessionToken: token }, ['github', { detectClosedAuthWindow: true }]);
    await popup.waitForSelector('button.user-btn');
    await popup.close();
    const { error } = await outcome;
    assert.equal(error.type, 'window_closed');
    await page.context().close();
});

/** Opens the Connect UI with the published package; returns its frame and the events so far. */
async function openConnectUI(page, token, extra = {}) {
    await page.evaluate(
        async ({ url, token, base, extra }) => {
            const { default: Nango } = await import(`${url}npm/@nangohq/frontend/dist/index.js`);
            window.events = [];
            const nango = new Nango({ host: base });
            window.ui = nango.openConnectUI({ sessionToken: token, baseURL: `${base}/connect-ui`, apiURL: base, onEvent: (event) => window.events.push(event), ...extra });
        },
        { url: host.url, token, base: server.url, extra },
    );
    const frame = await until('the frame', () => page.frames().find((one) => one.url().startsWith(`${server.url}/connect-ui`)));
    return { frame, events: () => page.evaluate(() => window.events) };
}

test('openConnectUI with an API key: a wrong key is explained, the right one connects', async () => {
    const { token } = await sessionToken(['one-key']);
    const page = await appPage();
    const { frame, events } = await openConnectUI(page, token);
    const field = frame.locator('input[name="apiKey"], input[type=password]').first();
    await field.fill('wrong-key');
    await frame.locator('button[type=submit]').click();
    await until('the error event', async () => (await events()).some((event) => event.type === 'error'));
    assert.equal((await events()).filter((event) => event.type === 'error').length, 1);
    assert.equal((await server.ok('GET', '/connections')).connections.filter((one) => one.provider_config_key === 'one-key').length, 0);

    await until('the form again', async () => {
        const again = frame.getByRole('button', { name: /try again/i });
        if (await again.isVisible().catch(() => false)) await again.click();
        return field.isVisible();
    });
    await field.fill('right-canary-key');
    await frame.locator('button[type=submit]').click();
    const connected = await until('the connect event', async () => (await events()).find((event) => event.type === 'connect'));
    assert.equal(connected.payload.providerConfigKey, 'one-key');
    await frame.getByRole('button', { name: /finish|done/i }).click();
    await until('the frame to go', async () => (await page.locator('#connect-ui').count()) === 0);
    assert.equal((await server.ok('GET', '/connections')).connections.filter((one) => one.provider_config_key === 'one-key').length, 1);
    await page.context().close();
});

test('openConnectUI with OAuth: list, popup, success', async () => {
    const { token } = await sessionToken();
    const page = await appPage();
    const { frame, events } = await openConnectUI(page, token);
    await frame.getByText('GitHub (emulated)').click();
    const popupOpens = page.context().waitForEvent('page');
    await frame.getByRole('button', { name: /connect|continue/i }).first().click();
    const popup = await popupOpens;
    await popup.waitForSelector('button.user-btn');
    await popup.click('button.user-btn');
    const connected = await until('the connect event', async () => (await events()).find((event) => event.type === 'connect'));
    assert.deepEqual(Object.keys(connected.payload).sort(), ['connectionId', 'isPending', 'providerConfigKey']);
    assert.equal((await events()).filter((event) => event.type === 'error').length, 0);
    await page.context().close();
});

test('openConnectUI: a denied login is one error event and can be tried again', async () => {
    const { token } = await sessionToken(['openid']);
    const page = await appPage();
    const { frame, events } = await openConnectUI(page, token);
    const popupOpens = page.context().waitForEvent('page');
    await frame.getByRole('button', { name: /connect|continue/i }).first().click();
    const popup = await popupOpens;
    await popup.waitForSelector('input[name=login]');
    await popup.click('a[href*=abort]');
    await until('the error event', async () => (await events()).some((event) => event.type === 'error'));
    await new Promise((done) => setTimeout(done, 500));
    assert.equal((await events()).filter((event) => event.type === 'error').length, 1);
    assert.ok(await frame.getByRole('button', { name: /try again/i }).isVisible());
    await page.context().close();
});

test('openConnectUI: a closed popup leaves a way on and is only reported when asked for', async () => {
    const { token } = await sessionToken(['github']);
    const page = await appPage();
    const { frame, events } = await openConnectUI(page, token, { detectClosedAuthWindow: true });
    const popupOpens = page.context().waitForEvent('page');
    await frame.getByRole('button', { name: /connect|continue/i }).first().click();
    const popup = await popupOpens;
    await popup.waitForSelector('button.user-btn');
    await popup.close();
    const error = await until('the error event', async () => (await events()).find((event) => event.type === 'error'));
    assert.equal(error.payload.errorType, 'window_closed');
    await page.context().close();
});
