// The four snippets that the product was asked for with, as printed, in a browser and in Node, through our own client.
import assert from 'node:assert/strict';
import { mkdir, mkdtemp, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { after, before, test } from 'node:test';
import { Tenon } from '../../../sdk/typescript/index.js';
import { HostPage, launchBrowser } from '../lib/browser.mjs';
import { OpenIdServer } from '../lib/oidc.mjs';
import { tenonDeploy } from '../lib/project.mjs';
import { Receiver } from '../lib/receiver.mjs';
import { Server, freePort, until } from '../lib/server.mjs';

let browser, host, helpdesk, receiver, server, nango;
const tickets = [
    { id: 1, subject: 'Printer on fire', description: 'It burns' },
    { id: 2, subject: 'Screen is black', description: 'Really black' },
];

before(async () => {
    const port = await freePort();
    const callback = `http://localhost:${port}/oauth/callback`;
    [browser, host, helpdesk, receiver] = await Promise.all([launchBrowser(), HostPage.start(), OpenIdServer.start({ callback }), Receiver.start()]);
    // The strict OpenID server with a tickets API behind its tokens.
    helpdesk.tickets = tickets;
    const folder = await mkdtemp(join(tmpdir(), 'tenon-seed-'));
    await writeFile(
        join(folder, 'providers.yaml'),
        `zendesk:
    display_name: Zendesk (stand-in)
    categories: [support]
    auth_mode: OAUTH2
    authorization_url: ${helpdesk.url}/auth
    token_url: ${helpdesk.url}/token
    authorization_params: { prompt: consent }
    proxy: { base_url: "${helpdesk.url}" }
    docs: https://example.test/docs
`,
    );
    server = new Server();
    Object.assign(server, { options: { flags: ['--providers', join(folder, 'providers.yaml')] }, folder, dataDir: join(folder, 'data'), port });
    await mkdir(server.dataDir, { recursive: true });
    await server.launch();
    await server.ok('PATCH', '/environment', { webhook_settings: { primary_url: receiver.url } });
    await server.ok('POST', '/integrations', {
        provider: 'zendesk',
        unique_key: 'zendesk',
        credentials: { type: 'OAUTH2', client_id: helpdesk.clientId, client_secret: helpdesk.clientSecret, scopes: 'openid,offline_access' },
    });
    await tenonDeploy(server, [], join(import.meta.dirname, '..', 'seed-project'));
    nango = new Tenon({ host: server.url, secretKey: server.secretKey });
});

after(async () => {
    await browser?.close();
    await server?.stop();
    await Promise.all([host?.stop(), helpdesk?.stop(), receiver?.stop()]);
});

let webhook;

test('1. get user permission in your app', async () => {
    const page = await (await browser.newContext()).newPage();
    await page.goto(host.url);
    await page.evaluate(
        async ({ sdk, base, publicKey }) => {
            const { Tenon } = await import(sdk);
            const nango = new Tenon({ host: base, publicKey });
            window.saved = [];
            const saveToDatabase = (connectionId, integrationId) => window.saved.push([connectionId, integrationId]);
            document.getElementById('go').onclick = async () => {
                const integrationId = 'zendesk';
                const connectionId = 'user123';

                // Shows authorization popup to the user.
                const result = await nango.auth(integrationId, connectionId);

                if (result.ok) {
                    // The auth flow succeeded. The integration is set up!
                    saveToDatabase(connectionId, integrationId);
                }
            };
        },
        { sdk: `${host.url}sdk/index.js`, base: server.url, publicKey: server.environment().public_key },
    );
    const popupOpens = page.waitForEvent('popup');
    await page.click('#go');
    const popup = await popupOpens;
    await popup.fill('input[name=login]', 'alice');
    await popup.fill('input[name=password]', 'any');
    await popup.click('button[type=submit]');
    await popup.waitForSelector('text=Authorize');
    await popup.click('button[type=submit]');
    await page.waitForFunction(() => window.saved.length > 0);
    assert.deepEqual(await page.evaluate(() => window.saved), [['user123', 'zendesk']]);
    await page.context().close();
});

test('2. receive data update notifications', async () => {
    webhook = await until('the webhook', () => receiver.of('sync')[0]?.json);
    assert.equal(webhook.connectionId, 'user123');
    assert.equal(webhook.providerConfigKey, 'zendesk');
    assert.equal(webhook.model, 'ticket');
    assert.deepEqual(webhook.responseResults, { added: 2, updated: 0, deleted: 0 });
    assert.match(webhook.modifiedAfter, /^\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{3}Z$/);
    const { data } = await server.ok('GET', '/environment');
    assert.equal(await nango.verifyWebhook(receiver.of('sync')[0].body, receiver.of('sync')[0].headers, data.webhook_signing_key), true);
});

test('3. collect and save the new data', async () => {
    const { modifiedAfter } = webhook;
    const records = await nango.listRecords({
        providerConfigKey: 'zendesk',
        connectionId: 'user123',
        model: 'ticket',
        modifiedAfter: modifiedAfter,
    });
    assert.deepEqual(records.map(({ title, content }) => ({ title, content })).sort((a, b) => (a.title < b.title ? -1 : 1)), [
        { title: 'Printer on fire', content: 'It burns' },
        { title: 'Screen is black', content: 'Really black' },
    ]);
});

test('4. write back to external APIs', async () => {
    const result = await nango.triggerAction({
        providerConfigKey: 'zendesk',
        connectionId: 'user123',
        action: 'create-ticket',
        input: { title: '...', content: '...' },
    });
    assert.deepEqual(result, { id: '3', title: '...', content: '...' });
    assert.equal(tickets.length, 3);
});
