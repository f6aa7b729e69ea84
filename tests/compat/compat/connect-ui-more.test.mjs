// What stands around the connect form: settings of syncs, white label, languages of the operator, what a person has connected.
import assert from 'node:assert/strict';
import { mkdtemp, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { after, before, test } from 'node:test';
import { brotliCompressSync } from 'node:zlib';
import { HostPage, launchBrowser, pressLast } from '../lib/browser.mjs';
import { Provider, inState, obstacles, openConnectUI, openSession, startServer } from '../lib/connect-page.mjs';
import { until } from '../lib/server.mjs';

let browser, host, provider, server;

before(async () => {
    const languages = await mkdtemp(join(tmpdir(), 'tenon-languages-'));
    await writeFile(join(languages, 'sv.json'), JSON.stringify({ link: 'Anslut {name}', connect: 'Anslut', titles: { 'API key': 'API-nyckel' } }));
    [browser, host, provider] = await Promise.all([launchBrowser(), HostPage.start(), Provider.start()]);
    server = await startServer(provider, { flags: ['--connect-texts', languages] });
});

after(async () => {
    await browser?.close();
    await server?.stop();
    await Promise.all([host?.stop(), provider?.stop()]);
});

async function appPage(options = {}) {
    const page = await (await browser.newContext(options)).newPage();
    page.problems = [];
    page.on('pageerror', (error) => page.problems.push(error.message));
    await page.goto(host.url);
    return page;
}

async function finish(page) {
    assert.deepEqual(page.problems, []);
    await page.context().close();
}

test('the page is small, whole and alone', async () => {
    const get = async (path) => Buffer.from(await (await fetch(`${server.url}/connect-ui/${path}`)).arrayBuffer());
    const [html, css, script] = await Promise.all([get(''), get('connect.css'), get('connect.js')]);
    assert.ok(html.length <= 6 * 1024, `HTML ${html.length}`);
    assert.ok(css.length <= 8 * 1024, `CSS ${css.length}`);
    assert.ok(script.length <= 40 * 1024, `JS ${script.length}`);
    assert.ok(brotliCompressSync(script).length <= 15 * 1024, `JS as brotli ${brotliCompressSync(script).length}`);
    for (const text of [html, css, script]) assert.doesNotMatch(text.toString().replace(/https?:\/\/(www\.w3\.org\/2000\/svg|api\.nango\.dev)/g, ''), /https?:\/\/[a-z]+\.[a-z]/);
});

test('settings of syncs are asked after the credentials and stored with the connection', async () => {
    const schema = {
        type: 'object', required: ['team'],
        properties: {
            team: { type: 'string', enum: ['ops', 'sales'], description: 'Whose tickets to fetch' },
            days: { type: 'integer', minimum: 1, default: 30, title: 'Days to look back' },
            closedToo: { type: 'boolean' },
            note: { type: 'string' },
            projects: { type: 'array', items: { type: 'string' } },
        },
    };
    const flow = {
        type: 'sync', syncName: 'tickets', providerConfigKey: 'one-key', models: ['Ticket'], runs: 'every day', version: '', track_deletes: false, auto_start: false,
        attributes: {}, metadata: {}, sync_type: 'full', input: 'SyncMetadata_tickets', endpoints: [], webhookSubscriptions: [], features: [],
        fileBody: { js: 'exports.default = { type: "sync", exec: async () => {} };', ts: '// tickets' },
        models_json_schema: { definitions: { Ticket: { type: 'object' }, SyncMetadata_tickets: schema } },
    };
    await server.ok('POST', '/sync/deploy', { flowConfigs: [flow], deployMode: 'integration', reconcile: true, debug: false, nangoYamlBody: '', source: 'repo', sdkVersion: '0.71.10-zero' });
    const page = await appPage({ viewport: { width: 390, height: 844 } });
    const token = await openSession(server, ['one-key'], { ask_settings: true });
    const { frame, events } = await openConnectUI(page, host, server, token, { themeOverride: 'dark' });
    await inState(frame, 'form');
    assert.deepEqual(await frame.evaluate(obstacles), []);
    assert.equal(await frame.locator('legend').innerText(), 'What to synchronize');
    assert.deepEqual(await frame.locator('fieldset label').allInnerTexts(), ['Team', 'Days to look back · optional', 'Closed too · optional', 'Note · optional']);
    await frame.fill('#field-subdomain', 'acme');
    await frame.fill('#field-apiKey', 'right-canary-key');
    await frame.fill('#field-settings_days', '0');
    await frame.click('button[type=submit]');
    assert.equal(await frame.locator('#field-settings_team-error').innerText(), 'Enter a value.');
    assert.equal(await frame.locator('#field-settings_days-error').innerText(), 'Enter a number within the allowed range.');
    if (process.env.TENON_SCREENSHOTS) await page.screenshot({ path: join(process.env.TENON_SCREENSHOTS, 'settings-dark-390.png') });
    await frame.selectOption('#field-settings_team', 'sales');
    await frame.fill('#field-settings_days', '7');
    await frame.selectOption('#field-settings_closedToo', 'true');
    await frame.click('button[type=submit]');
    await inState(frame, 'success');
    await until('the account', async () => (await frame.locator('#main [role=status]').innerText()) === 'acme');
    const [{ payload }] = await events('connect');
    const connection = await server.ok('GET', `/connections/${payload.connectionId}?provider_config_key=one-key`);
    assert.deepEqual(connection.metadata, { team: 'sales', days: 7, closedToo: true });
    await finish(page);
});

test('an environment puts its own name on the page', async () => {
    const logo = `data:image/svg+xml;base64,${Buffer.from('<svg xmlns="http://www.w3.org/2000/svg" width="80" height="24"><rect width="80" height="24" fill="#c00"/></svg>').toString('base64')}`;
    await server.ok('PATCH', '/environment/connect-ui', { showWatermark: false, defaultTheme: 'dark', application: 'Acme', logo, cornerRadius: 12, font: 'Georgia, serif', texts: { en: { connect: 'Let Acme in' } } });
    const page = await appPage();
    const { frame } = await openConnectUI(page, host, server, await openSession(server, ['one-key']));
    await inState(frame, 'form');
    const seen = await frame.evaluate(() => ({
        theme: document.documentElement.dataset.theme, footer: document.getElementById('footer').checkVisibility(), logo: document.querySelector('#brand img').naturalWidth,
        corner: getComputedStyle(document.querySelector('.box')).borderRadius, font: getComputedStyle(document.querySelector('h1')).fontFamily,
    }));
    assert.deepEqual(seen, { theme: 'dark', footer: false, logo: 80, corner: '12px', font: 'Georgia, serif' });
    assert.equal(await frame.locator('button[type=submit]').innerText(), 'Let Acme in');
    assert.deepEqual(await frame.evaluate(obstacles), []);
    await server.ok('PATCH', '/environment/connect-ui', { showWatermark: true, defaultTheme: 'system', application: null, logo: null, cornerRadius: null, font: null, texts: {} });
    await finish(page);
});

test('an operator adds a language with a file', async () => {
    const page = await appPage();
    const { frame } = await openConnectUI(page, host, server, await openSession(server, ['one-key']), { lang: 'sv' });
    await inState(frame, 'form');
    assert.equal(await frame.locator('h1').innerText(), 'Anslut One Key');
    assert.equal(await frame.locator('label[for=field-apiKey]').innerText(), 'API-nyckel');
    assert.equal(await frame.locator('label[for=field-subdomain]').innerText(), 'Subdomain', 'what a file lacks stands in English');
    await finish(page);
});

/** A connection of a user, made like the page makes it. */
async function connect(user, subdomain = 'acme') {
    const token = await openSession(server, ['one-key'], { end_user: { id: user } });
    const response = await fetch(`${server.url}/api-auth/api-key/one-key?connect_session_token=${token}&params[subdomain]=${subdomain}`, {
        method: 'POST', headers: { 'content-type': 'application/json' }, body: JSON.stringify({ apiKey: 'right-canary-key' }),
    });
    assert.equal(response.status, 200);
    return (await response.json()).connectionId;
}

test('people see what they have connected, reconnect it and disconnect it', async () => {
    const [kept, gone, foreign] = [await connect('ann'), await connect('ann', 'beta'), await connect('ben')];
    for (const [theme, width] of [['light', 1280], ['dark', 390], ['light', 390], ['light', 320]]) {
        const look = await appPage({ viewport: { width, height: 800 } });
        const token = await openSession(server, [], { end_user: { id: 'ann' }, manage_connections: true });
        const { frame } = await openConnectUI(look, host, server, token, { path: '/connect-ui/my-connections', themeOverride: theme });
        await inState(frame, 'connections');
        assert.deepEqual(await frame.evaluate(obstacles), [], `${theme} ${width}`);
        if (process.env.TENON_SCREENSHOTS) await look.screenshot({ path: join(process.env.TENON_SCREENSHOTS, `mine-${theme}-${width}.png`) });
        await finish(look);
    }
    const page = await appPage();
    const token = await openSession(server, [], { end_user: { id: 'ann' }, manage_connections: true });
    const { frame, events } = await openConnectUI(page, host, server, token, { path: '/connect-ui/my-connections' });
    await inState(frame, 'connections');
    assert.deepEqual(await frame.locator('.mine .account').allInnerTexts(), ['beta', 'acme']);

    // The newest stands first; a first thought better of it, the second click means it.
    await frame.getByRole('button', { name: /^Disconnect/ }).first().click();
    await inState(frame, 'confirm');
    assert.equal(await frame.locator('h1').innerText(), 'Disconnect One Key (beta)?');
    await frame.getByRole('button', { name: 'Cancel' }).click();
    await frame.getByRole('button', { name: /^Disconnect/ }).first().click();
    await inState(frame, 'confirm');
    await frame.locator('.button.danger').click();
    await inState(frame, 'connections');
    const [event] = await until('the event', async () => { const found = await events('disconnect'); return found.length && found; });
    assert.deepEqual(event.payload, { providerConfigKey: 'one-key', connectionId: gone });
    assert.equal((await server.api('GET', `/connections/${gone}?provider_config_key=one-key`)).status, 404);

    await frame.getByRole('button', { name: 'Reconnect' }).click();
    const inner = await until('the flow', () => frame.childFrames().find((one) => one.url().includes('embedded=true')));
    await inState(inner, 'form');
    assert.equal(await inner.locator('h1').innerText(), 'Reconnect One Key');
    await inner.fill('#field-subdomain', 'acme');
    await inner.fill('#field-apiKey', 'right-canary-key');
    await inner.click('button[type=submit]');
    await inState(inner, 'success');
    assert.equal((await events('connect'))[0].payload.connectionId, kept);
    await inner.getByRole('button', { name: 'Finish' }).click();
    await inState(frame, 'connections');
    assert.equal(await frame.locator('.mine').count(), 1);
    pressLast(page, 'Escape');
    await until('the frame to go', async () => (await page.locator('#connect-ui').count()) === 0);
    assert.equal((await server.api('GET', `/connections/${foreign}?provider_config_key=one-key`)).status, 200);
    await finish(page);
});

test('a session that was opened to connect shows no connections', async () => {
    const page = await appPage();
    const { frame, events } = await openConnectUI(page, host, server, await openSession(server), { path: '/connect-ui/my-connections' });
    await inState(frame, 'failed');
    assert.match(await frame.locator('#main').innerText(), /cannot be shown/);
    assert.equal((await events('error')).length, 1);
    await finish(page);
});
