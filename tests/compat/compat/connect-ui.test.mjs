// The Connect UI in real Chromium: what browsers do to windows and frames, what people do to pages.
import assert from 'node:assert/strict';
import { after, before, test } from 'node:test';
import { HostPage, launchBrowser, pressLast } from '../lib/browser.mjs';
import { Provider, inState, obstacles, openConnectUI, openSession, startServer } from '../lib/connect-page.mjs';
import { until } from '../lib/server.mjs';

let browser, provider, server;
const hosts = {};

before(async () => {
    [browser, provider] = await Promise.all([launchBrowser(), Provider.start()]);
    server = await startServer(provider);
    hosts.plain = await HostPage.start();
    hosts.isolated = await HostPage.start({ 'cross-origin-opener-policy': 'same-origin' });
    hosts.popups = await HostPage.start({ 'cross-origin-opener-policy': 'same-origin-allow-popups' });
});

after(async () => {
    await browser?.close();
    await server?.stop();
    await Promise.all([...Object.values(hosts).map((host) => host.stop()), provider?.stop()]);
});

/** A page of an app; whatever goes wrong on it ends the test. */
async function appPage(host = hosts.plain, options = {}) {
    const context = await browser.newContext(options);
    const page = await context.newPage();
    page.problems = [];
    page.on('pageerror', (error) => page.problems.push(error.message));
    await page.goto(host.url);
    return page;
}

async function finish(page) {
    assert.deepEqual(page.problems, []);
    await page.context().close();
}

const connectButton = (frame) => frame.locator('button[type=submit]');

// The table of what browsers do: opener policies of the app and of the provider.
for (const host of ['plain', 'isolated', 'popups']) {
    for (const integration of ['oauth', 'isolated']) {
        test(`faults_39 a login succeeds: ${host} app, ${integration} provider, and there is one event`, async () => {
            const page = await appPage(hosts[host]);
            const token = await openSession(server, [integration]);
            const { frame, events } = await openConnectUI(page, hosts[host], server, token, { detectClosedAuthWindow: true });
            await inState(frame, 'ready-to-popup');
            const opens = page.context().waitForEvent('page');
            await connectButton(frame).click();
            const popup = await opens;
            await popup.waitForSelector('#agree');
            await until('the page to wait', () => inState(frame, 'popup-open'));
            await popup.click('#agree');
            await inState(frame, 'success');
            const heard = (await events()).filter(({ type }) => ['connect', 'error'].includes(type));
            // A provider that isolates itself looks closed; that is told where the app asked for it, and the success follows.
            const ends = heard.filter(({ type, payload }) => type === 'connect' || payload.errorType !== 'window_closed');
            assert.equal(ends.length, 1, JSON.stringify(heard));
            assert.equal(ends[0].type, 'connect');
            assert.ok(heard.length <= (integration === 'isolated' ? 2 : 1), JSON.stringify(heard));
            assert.equal(ends[0].payload.providerConfigKey, integration);
            await finish(page);
        });
    }
}

test('a blocked window is told once, and the plain link leads on', async () => {
    const page = await appPage();
    const token = await openSession(server, ['oauth']);
    const { frame, events } = await openConnectUI(page, hosts.plain, server, token);
    await inState(frame, 'ready-to-popup');
    await frame.evaluate(() => { window.open = () => null; });
    await connectButton(frame).click();
    await inState(frame, 'popup-blocked');
    assert.deepEqual(await frame.evaluate(obstacles), []);
    const error = await until('the error', async () => (await events('error'))[0]);
    assert.equal(error.payload.errorType, 'blocked_by_browser');
    const opens = page.context().waitForEvent('page');
    await frame.locator('a.button').click();
    const window = await opens;
    await window.waitForSelector('#agree');
    assert.equal(await window.evaluate(() => window.opener), null);
    await inState(frame, 'popup-open');
    await window.click('#agree');
    await inState(frame, 'success');
    assert.equal((await events('error')).length, 1);
    assert.equal((await events('connect')).length, 1);
    await finish(page);
});

test('faults_39 a window that was closed is no end: the page offers another try, and a success still wins', async () => {
    const page = await appPage();
    const token = await openSession(server, ['oauth']);
    const { frame, events } = await openConnectUI(page, hosts.plain, server, token);
    await inState(frame, 'ready-to-popup');
    const opens = page.context().waitForEvent('page');
    await connectButton(frame).click();
    const popup = await opens;
    await popup.waitForSelector('#agree');
    const back = await popup.getAttribute('#agree', 'href');
    await popup.close();
    await frame.getByRole('button', { name: 'Try again' }).waitFor();
    assert.equal((await events('error')).length, 0, 'nobody asked to hear of closed windows');
    // The person had agreed: what the window did not see to its end, another one does.
    const late = await page.context().newPage();
    await late.goto(back);
    await inState(frame, 'success');
    assert.equal((await events('connect')).length, 1);
    assert.equal((await events('error')).length, 0);
    await finish(page);
});

test('a person who goes back to the form can try again, and the first window does no harm', async () => {
    const page = await appPage();
    const token = await openSession(server, ['oauth']);
    const { frame, events } = await openConnectUI(page, hosts.plain, server, token);
    await inState(frame, 'ready-to-popup');
    const open = async () => {
        const opens = page.context().waitForEvent('page');
        await connectButton(frame).click();
        const popup = await opens;
        await popup.waitForSelector('#agree');
        return popup;
    };
    const first = await open();
    await inState(frame, 'popup-open');
    await first.close();
    await frame.getByRole('button', { name: 'Try again' }).click();
    await inState(frame, 'ready-to-popup');
    const second = await open();
    await second.click('#deny');
    await inState(frame, 'failed');
    assert.match(await frame.locator('#main').innerText(), /was not allowed/);
    assert.equal((await events('error')).length, 1);
    const details = await frame.evaluate(() => document.querySelector('details pre').textContent);
    assert.match(details, /Reference: \S+/);
    await frame.getByRole('button', { name: 'Try again' }).click();
    await (await open()).click('#agree');
    await inState(frame, 'success');
    assert.equal((await events('connect')).length, 1);
    assert.equal((await events('error')).length, 1);
    await finish(page);
});

test('faults_39 a frame that is reloaded in the middle goes on, and tells the end once', async () => {
    const page = await appPage();
    const token = await openSession(server, ['oauth']);
    const { frame, events } = await openConnectUI(page, hosts.plain, server, token);
    await inState(frame, 'ready-to-popup');
    const opens = page.context().waitForEvent('page');
    await connectButton(frame).click();
    const popup = await opens;
    await popup.waitForSelector('#agree');
    const reload = async () => {
        await frame.evaluate(() => location.reload()).catch(() => {});
        await frame.waitForLoadState();
    };
    await reload();
    await inState(frame, 'popup-open');
    await popup.click('#agree');
    await inState(frame, 'success');
    assert.equal((await events('connect')).length, 1);
    await reload();
    await inState(frame, 'success');
    assert.equal((await events('connect')).length, 1, 'the same end is not told twice');
    await frame.getByRole('button', { name: 'Finish' }).click();
    await until('the frame to go', async () => (await page.locator('#connect-ui').count()) === 0);
    await finish(page);
});

test('faults_39 an end that came while nobody looked is told by the page that comes back', async () => {
    const page = await appPage();
    const token = await openSession(server, ['oauth']);
    const { frame } = await openConnectUI(page, hosts.plain, server, token);
    await inState(frame, 'ready-to-popup');
    const opens = page.context().waitForEvent('page');
    await connectButton(frame).click();
    const popup = await opens;
    await popup.waitForSelector('#agree');
    // The whole app is reloaded, as phones do with pages in the background.
    await page.reload();
    await popup.click('#agree');
    await until('the connection', async () => {
        const answer = await fetch(`${server.url}/connect/session/attempt`, { headers: { authorization: `Bearer ${token}` } });
        return (await answer.json()).data.attempt.state === 'connected';
    });
    const again = await openConnectUI(page, hosts.plain, server, token);
    await inState(again.frame, 'success');
    assert.equal((await again.events('connect')).length, 1);
    await finish(page);
});

test('faults_36 what a provider says is text, in its window and on the page', async () => {
    const page = await appPage();
    const token = await openSession(server, ['oauth']);
    const { frame, events } = await openConnectUI(page, hosts.plain, server, token);
    await inState(frame, 'ready-to-popup');
    const opens = page.context().waitForEvent('page');
    await connectButton(frame).click();
    const popup = await opens;
    await popup.waitForSelector('#deny');
    const evil = `<img src=x onerror="document.title='owned'"><script>document.title='owned'</script><a href="javascript:document.title='owned'">here</a>`;
    const back = new URL(await popup.getAttribute('#deny', 'href'));
    back.searchParams.set('error_description', evil);
    back.searchParams.set('error_uri', 'javascript:alert(1)');
    await popup.evaluate((url) => { location.href = url; }, back.href);
    await inState(frame, 'failed');
    assert.equal((await events('error')).length, 1);
    await frame.locator('summary').click();
    assert.match(await frame.locator('details pre').innerText(), /<script>/);
    for (const place of [frame, ...(popup.isClosed() ? [] : [popup])]) {
        assert.equal(await place.evaluate(() => document.querySelectorAll('img[src="x"], a[href^="javascript:"]').length), 0);
        assert.notEqual(await place.title(), 'owned');
    }
    await finish(page);
});

test('a failed login that was told stays told after a reload', async () => {
    const page = await appPage();
    const token = await openSession(server, ['oauth']);
    const { frame, events } = await openConnectUI(page, hosts.plain, server, token);
    await inState(frame, 'ready-to-popup');
    const opens = page.context().waitForEvent('page');
    await connectButton(frame).click();
    const popup = await opens;
    await popup.click('#deny');
    await inState(frame, 'failed');
    await frame.evaluate(() => location.reload()).catch(() => {});
    await frame.waitForLoadState();
    await inState(frame, 'ready-to-popup');
    assert.equal((await events('error')).length, 1);
    await finish(page);
});

test('an expired session says so, and a countdown says it before', async () => {
    const page = await appPage();
    await page.clock.install();
    const token = await openSession(server, ['one-key']);
    const { frame } = await openConnectUI(page, hosts.plain, server, token);
    await inState(frame, 'form');
    assert.equal(await frame.locator('#clock').isVisible(), false);
    await page.clock.fastForward(28.5 * 60 * 1000);
    await page.clock.runFor(2000);
    await until('the countdown', async () => /Ends in 1:2\d/.test(await frame.locator('#clock').innerText()));
    await page.clock.fastForward(95 * 1000);
    await page.clock.runFor(2000);
    await inState(frame, 'expired');
    await finish(page);
});

test('the network may go away and come back', async () => {
    const page = await appPage();
    const token = await openSession(server, ['one-key']);
    let cut = true;
    await page.route('**/connect/session*', (route) => (cut ? route.abort() : route.continue()));
    const { frame } = await openConnectUI(page, hosts.plain, server, token);
    await inState(frame, 'offline');
    cut = false;
    await inState(frame, 'form');
    await finish(page);
});

test('a page talks to its own API only', async () => {
    const page = await appPage();
    const token = await openSession(server, ['one-key']);
    const asked = [];
    page.on('request', (request) => asked.push(new URL(request.url()).host));
    const { frame, events } = await openConnectUI(page, hosts.plain, server, token, { apiURL: 'https://evil.example' });
    await inState(frame, 'bad-api');
    assert.ok(!asked.some((host) => host.includes('evil')));
    assert.deepEqual(await events(), [], 'it is not even ready');
    await page.evaluate(() => window.ui.close());
    // What the package sends when nobody told it otherwise means this server.
    const right = await openConnectUI(page, hosts.plain, server, token, { apiURL: 'https://api.nango.dev' });
    await inState(right.frame, 'form');
    await finish(page);
});

test('the token leaves the address at once, and nothing goes to other hosts', async () => {
    const context = await browser.newContext();
    const page = await context.newPage();
    const asked = new Set();
    page.on('request', (request) => !request.url().startsWith('data:') && asked.add(new URL(request.url()).host));
    const token = await openSession(server, ['one-key']);
    await page.goto(`${server.url}/connect-ui/?session_token=${token}`);
    await inState(page, 'form');
    assert.ok(!page.url().includes(token));
    assert.deepEqual([...asked], [new URL(server.url).host]);
    await page.fill('#field-subdomain', 'acme');
    await page.fill('#field-apiKey', 'right-canary-key');
    await connectButton(page).click();
    await inState(page, 'success');
    assert.match(await page.locator('#main').innerText(), /close this tab/);
    assert.equal((await context.cookies()).length, 0);
    await context.close();
});

test('people without a pointer get through, and stay inside', async () => {
    const page = await appPage();
    const token = await openSession(server, ['oauth', 'one-key']);
    const { frame, events } = await openConnectUI(page, hosts.plain, server, token);
    await inState(frame, 'list');
    const focused = () => frame.evaluate(() => document.activeElement.id || document.activeElement.name || document.activeElement.textContent);
    assert.equal(await focused(), 'heading', 'a new state is read out');
    await page.keyboard.press('ArrowDown');
    assert.equal(await focused(), 'One Key');
    await page.keyboard.press('ArrowDown');
    assert.equal(await focused(), 'oauth');
    await page.keyboard.press('ArrowDown');
    await page.keyboard.press('Enter');
    await inState(frame, 'form');
    assert.equal(await focused(), 'heading');
    const order = [];
    for (let step = 0; step < 9; step += 1) {
        await page.keyboard.press('Tab');
        order.push(await focused());
    }
    assert.deepEqual(order, ['Where do I find this?', 'field-subdomain', 'field-region', 'field-apiKey', 'Show', 'Connect', 'back', 'close', 'Where do I find this?']);
    await page.keyboard.press('Shift+Tab');
    assert.equal(await focused(), 'close', 'it goes round');
    // Nothing entered: the first field that is wrong gets the focus and says what is wrong.
    for (let step = 0; step < 6; step += 1) await page.keyboard.press('Tab');
    await page.keyboard.press('Enter');
    assert.equal(await focused(), 'field-subdomain');
    const wrong = frame.locator('#field-subdomain');
    assert.equal(await wrong.getAttribute('aria-invalid'), 'true');
    assert.equal(await frame.locator('#field-subdomain-error').innerText(), 'Enter a value.');
    await page.keyboard.type('https://acme.example.test/');
    for (let step = 0; step < 2; step += 1) await page.keyboard.press('Tab');
    assert.equal(await wrong.inputValue(), 'acme');
    await page.keyboard.type('right-canary-key');
    await page.keyboard.press('Enter');
    await inState(frame, 'success');
    pressLast(page, 'Escape');
    await until('the frame to go', async () => (await page.locator('#connect-ui').count()) === 0);
    assert.equal((await events('connect')).length, 1);
    await finish(page);
});

test('every state can be read and hit, in both themes and with any colour', async () => {
    for (const [theme, colour] of [['light', '#00B2E3'], ['dark', '#00B2E3'], ['light', '#ffee00'], ['dark', '#200020'], ['light', '#767676']]) {
        await server.ok('PATCH', '/environment/connect-ui', { theme: { light: { primary: colour }, dark: { primary: colour } }, application: 'Acme', privacyUrl: 'https://acme.test/privacy', supportUrl: 'mailto:help@acme.test' });
        const page = await appPage(hosts.plain, { viewport: { width: 320, height: 640 } });
        const token = await openSession(server, ['oauth', 'one-key']);
        const { frame } = await openConnectUI(page, hosts.plain, server, token, { themeOverride: theme });
        const look = async (state) => {
            await inState(frame, state);
            assert.equal(await frame.evaluate(() => document.documentElement.dataset.theme), theme);
            assert.deepEqual(await frame.evaluate(obstacles), [], `${state} ${theme} ${colour}`);
        };
        await look('list');
        await frame.getByText('One Key').click();
        await look('form');
        assert.match(await frame.locator('form').innerText(), /Acme will use your One Key account/);
        await frame.fill('#field-subdomain', 'acme');
        await frame.fill('#field-apiKey', 'wrong');
        await connectButton(frame).click();
        await look('failed');
        await frame.locator('summary').click();
        await look('failed');
        await frame.locator('#back').click();
        await frame.getByText('oauth').click();
        await look('ready-to-popup');
        await frame.evaluate(() => { window.open = () => ({ closed: false, close() {}, focus() {} }); });
        await connectButton(frame).click();
        await look('popup-open');
        await finish(page);
    }
    await server.ok('PATCH', '/environment/connect-ui', { theme: { light: { primary: '#00B2E3' }, dark: { primary: '#00B2E3' } }, application: null, privacyUrl: null, supportUrl: null });
});

test('every language speaks, and Arabic runs the other way', async () => {
    const languages = ['en', 'de', 'fr', 'es', 'ja', 'it', 'pt-BR', 'nl', 'pl', 'ko', 'zh-CN', 'ar'];
    const texts = new Set();
    for (const lang of languages) {
        const context = await browser.newContext({ viewport: { width: 390, height: 800 } });
        const page = await context.newPage();
        const accepted = [];
        page.on('request', (request) => request.url().includes('/providers/') && accepted.push(request.headers()['accept-language']));
        await page.goto(`${server.url}/connect-ui/?session_token=${await openSession(server, ['one-key'])}&lang=${lang}`);
        await inState(page, 'form');
        assert.equal(await page.evaluate(() => document.documentElement.lang), lang);
        assert.equal(await page.evaluate(() => document.documentElement.dir), lang === 'ar' ? 'rtl' : 'ltr');
        assert.deepEqual(accepted, [lang]);
        assert.deepEqual(await page.evaluate(obstacles), [], lang);
        texts.add(await page.locator('#main').innerText());
        const label = await page.locator('label[for=field-apiKey]').innerText();
        if (lang !== 'en') assert.notEqual(label, 'API key', `${lang}: labels of providers are translated`);
        if (lang === 'ar') {
            const [label, box] = await page.evaluate(() => ['label', '.box'].map((part) => document.querySelector(part).getBoundingClientRect().right));
            assert.ok(Math.abs(label - box) < 2, 'labels stand on the right');
        }
        await context.close();
    }
    assert.equal(texts.size, languages.length);
});

test('an environment may choose who shows the page', async () => {
    await server.ok('PATCH', '/environment/connect-ui', { allowedOrigins: ['https://app.acme.test'] });
    try {
        const page = await appPage();
        const token = await openSession(server, ['one-key']);
        const { frame } = await openConnectUI(page, hosts.plain, server, token);
        await inState(frame, 'not-allowed');
        await page.evaluate(() => window.ui.close());
        await server.ok('PATCH', '/environment/connect-ui', { allowedOrigins: [hosts.plain.url.replace(/\/$/, '')] });
        const allowed = await openConnectUI(page, hosts.plain, server, token);
        await inState(allowed.frame, 'form');
        await finish(page);
        const context = await browser.newContext();
        const alone = await context.newPage();
        await alone.goto(`${server.url}/connect-ui/?session_token=${token}`);
        await inState(alone, 'form');
        await context.close();
    } finally {
        await server.ok('PATCH', '/environment/connect-ui', { allowedOrigins: [] });
    }
});

test('the settings page of an environment sees changes at once, and others cannot make them', async () => {
    const page = await appPage();
    const open = (query) => page.evaluate(({ base, query }) => {
        document.getElementById('frame')?.remove();
        document.body.append(Object.assign(document.createElement('iframe'), { src: `${base}/connect-ui/?${query}`, id: 'frame', width: 500, height: 700 }));
    }, { base: server.url, query });
    const change = (primary) => page.evaluate((primary) => document.getElementById('frame').contentWindow.postMessage(
        { type: 'settings_changed', payload: { showWatermark: false, defaultTheme: 'light', theme: { light: { primary }, dark: { primary } } } }, '*'), primary);
    await open('preview=true&theme=light');
    const frame = await until('the frame', () => page.frames().find((one) => one.url().includes('preview')));
    await inState(frame, 'wait-token');
    await change('#123456');
    await inState(frame, 'form');
    const colour = () => frame.evaluate(() => getComputedStyle(document.querySelector('button[type=submit]')).backgroundColor);
    assert.equal(await colour(), 'rgb(18, 52, 86)');
    await change('#abcdef');
    await until('the new colour', async () => (await colour()) === 'rgb(171, 205, 239)');
    assert.equal(await frame.locator('footer').isVisible(), false);
    await open('theme=light');
    const plain = await until('the frame', () => page.frames().find((one) => one.url().endsWith('?theme=light')));
    await inState(plain, 'wait-token');
    await change('#123456');
    await new Promise((done) => setTimeout(done, 200));
    assert.equal(await plain.evaluate(() => document.documentElement.dataset.state), 'wait-token');
    await finish(page);
});
