// Every provider of the catalogue has a form that can be filled in; twenty of them are looked at closely.
import assert from 'node:assert/strict';
import { mkdir } from 'node:fs/promises';
import { join } from 'node:path';
import { after, before, test } from 'node:test';
import { launchBrowser } from '../lib/browser.mjs';
import { inState, obstacles, openSession, startServer } from '../lib/connect-page.mjs';

// One or two of every way to authorise, and the forms that are longest or strangest.
const SAMPLE = [
    'github', 'slack', 'salesforce', 'shopify', 'zendesk', 'trello', 'github-app', 'github-app-oauth', 'crisp-plugin-install', 'stripe-api-key',
    'jira-basic', 'aws-sigv4', 'netsuite-tba', 'bill', 'ghost-admin', 'emarsys', 'servicenow-jwt', 'private-api-generic', 'unauthenticated', 'cloudflare-mcp',
];

// The page draws the same forms over either database.
const skip = process.env.TENON_TEST_POSTGRES_URL && 'looked at over SQLite';

let browser, catalogue, server;

before(async () => {
    if (skip) return;
    browser = await launchBrowser();
    server = await startServer({ url: 'http://127.0.0.1:9' });
    catalogue = (await server.ok('GET', '/providers')).data.filter(({ name }) => !['oauth', 'isolated', 'one-key'].includes(name));
});

after(async () => {
    await browser?.close();
    await server?.stop();
});

/** A page with two integrations; whichever is chosen, it is of the provider that `provider()` names. */
async function pageWith(provider, options, query = '') {
    const context = await browser.newContext(options);
    const page = await context.newPage();
    page.problems = [];
    page.on('pageerror', (error) => page.problems.push(error.message));
    const answer = (data) => (route) => route.fulfill({ json: { data: data() }, headers: { 'access-control-allow-origin': '*' } });
    const one = (key) => ({ unique_key: key, provider: key, display_name: provider().display_name, logo: provider().logo_url });
    await page.route(/\/integrations$/, answer(() => [one('one'), one('two')]));
    await page.route(/\/providers\/(one|two)$/, answer(provider));
    await page.route(/\/connect\/settings\//, answer(() => ({ fields: [], skipped: [] })));
    await page.goto(`${server.url}/connect-ui/?session_token=${await openSession(server)}${query}`);
    await inState(page, 'list');
    return page;
}

test('all providers of the catalogue have a form', { skip }, async () => {
    assert.ok(catalogue.length >= 981, `${catalogue.length} providers`);
    const names = catalogue.map(({ name }) => name);
    let at = 0;
    const page = await pageWith(() => catalogue[Math.min(at, catalogue.length - 1)], { viewport: { width: 390, height: 800 } });
    page.on('request', (request) => (at += /\/connect\/settings\//.test(request.url())));
    const faults = await page.evaluate(async (names) => {
        const until = async (...wanted) => {
            for (let turn = 0; turn < 2000 && !wanted.includes(document.documentElement.dataset.state); turn += 1) await new Promise((done) => setTimeout(done, 1));
            return document.documentElement.dataset.state;
        };
        const faults = [];
        for (const name of names) {
            document.querySelector('.choice').click();
            const reached = await until('form', 'ready-to-popup', 'failed');
            if (!['form', 'ready-to-popup'].includes(reached)) faults.push(`${name}: ${reached}`);
            if (!document.querySelector('button[type=submit]')) faults.push(`${name}: nothing to press`);
            for (const input of document.querySelectorAll('.field:not([hidden]) :is(input, select, textarea)')) {
                const label = input.labels[0]?.textContent ?? '';
                if (!label.trim() || /undefined|null|\[object/.test(label + (input.placeholder ?? ''))) faults.push(`${name}: label of ${input.name}: ${label}`);
                if (/secret|password/i.test(input.name) && input.tagName === 'INPUT' && input.type !== 'password') faults.push(`${name}: ${input.name} can be read`);
            }
            const words = document.getElementById('main').textContent;
            if (/undefined|\[object|\$\{/.test(words)) faults.push(`${name}: ${words.slice(0, 200)}`);
            document.getElementById('back').click();
            await until('list');
        }
        return faults;
    }, names);
    assert.deepEqual(faults, []);
    assert.deepEqual(page.problems, []);
    assert.ok(at >= names.length, `${at} definitions were read`);
    await page.context().close();
});

for (const theme of ['light', 'dark']) {
    for (const width of [390, 1280]) {
        test(`twenty forms, ${theme}, ${width} px`, { skip }, async () => {
            const folder = process.env.TENON_SCREENSHOTS;
            if (folder) await mkdir(folder, { recursive: true });
            for (const name of SAMPLE) {
                const provider = catalogue.find((one) => one.name === name);
                assert.ok(provider, `${name} is in the catalogue`);
                const page = await pageWith(() => provider, { viewport: { width, height: 844 } }, `&theme=${theme}`);
                await page.locator('.choice').first().click();
                await inState(page, 'form', 'ready-to-popup');
                assert.deepEqual(await page.evaluate(obstacles), [], name);
                if (folder) await page.screenshot({ path: join(folder, `${name}-${theme}-${width}.png`) });
                await page.context().close();
            }
        });
    }
}
