// What the tests of the Connect UI share: a provider that plays along, the page of an app, looking at frames.
import { createServer } from 'node:http';
import { mkdir, mkdtemp, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { Server, freePort, until } from './server.mjs';

/** An OAuth provider with one button, whose pages may isolate themselves, and an API that knows one key. */
export class Provider {
    static async start() {
        const provider = new Provider();
        provider.server = createServer((request, response) => {
            const url = new URL(request.url, 'http://x');
            const json = (status, body) => response.writeHead(status, { 'content-type': 'application/json' }).end(JSON.stringify(body));
            if (url.pathname === '/token') return json(200, { access_token: 'canary-token', token_type: 'bearer' });
            if (url.pathname === '/me') return request.headers['x-key'] === 'right-canary-key' ? json(200, {}) : json(401, {});
            if (!url.pathname.startsWith('/authorize')) return json(404, {});
            const back = (more) => {
                const target = new URL(url.searchParams.get('redirect_uri'));
                target.search = new URLSearchParams({ state: url.searchParams.get('state'), ...more });
                return target.href.replaceAll('&', '&amp;');
            };
            const headers = { 'content-type': 'text/html', ...(url.pathname.endsWith('isolated') ? { 'cross-origin-opener-policy': 'same-origin' } : {}) };
            return response.writeHead(200, headers).end(`<!doctype html><title>Provider</title>
                <a id="agree" href="${back({ code: 'c' })}">Agree</a> <a id="deny" href="${back({ error: 'access_denied' })}">Deny</a>`);
        });
        await new Promise((done) => provider.server.listen(0, '127.0.0.1', done));
        provider.url = `http://127.0.0.1:${provider.server.address().port}`;
        return provider;
    }

    async stop() {
        this.server.closeAllConnections();
        await new Promise((done) => this.server.close(done));
    }
}

/** A server with integrations of that provider: `oauth`, `isolated` and `one-key`. */
export async function startServer(provider, more = {}) {
    const folder = await mkdtemp(join(tmpdir(), 'tenon-connect-'));
    const providers = join(folder, 'providers.yaml');
    const oauth = (name, path) => `${name}:
    display_name: ${name}
    categories: [dev-tools]
    auth_mode: OAUTH2
    authorization_url: ${provider.url}${path}
    token_url: ${provider.url}/token
    proxy: { base_url: "${provider.url}" }
    docs: https://example.test/docs
`;
    await writeFile(
        providers,
        `${oauth('oauth', '/authorize')}${oauth('isolated', '/authorize/isolated')}one-key:
    display_name: One Key
    categories: [dev-tools]
    auth_mode: API_KEY
    proxy:
        base_url: ${provider.url}
        headers: { x-key: "\${apiKey}" }
        verification: { method: GET, endpoints: [/me] }
    connection_config:
        subdomain: { type: string, title: Subdomain, description: The part before .example.test, suffix: .example.test, order: 1 }
        region: { type: string, title: Region, enum: [eu, us], optional: true, order: 2 }
    credentials:
        apiKey: { type: string, title: API key, description: The key of the account, secret: true }
    docs: https://example.test/docs
    docs_connect: https://example.test/connect
`,
    );
    const server = new Server();
    server.options = { flags: ['--providers', providers, ...(more.flags ?? [])] };
    server.folder = folder;
    server.dataDir = join(folder, 'data');
    server.port = await freePort();
    await mkdir(server.dataDir, { recursive: true });
    await server.launch();
    for (const key of ['oauth', 'isolated']) {
        await server.ok('POST', '/integrations', { provider: key, unique_key: key, credentials: { type: 'OAUTH2', client_id: 'c', client_secret: 's', scopes: 'a' } });
    }
    await server.ok('POST', '/integrations', { provider: 'one-key', unique_key: 'one-key' });
    return server;
}

/** A token for these integrations, all without any. */
export async function openSession(server, integrations = [], more = {}) {
    const body = { end_user: { id: 'u1', email: 'u1@example.test' }, allowed_integrations: integrations, ...more };
    return (await server.ok('POST', '/connect/sessions', body)).data.token;
}

/** The frame of the Connect UI, opened by the published package, and what the app heard of it. */
export async function openConnectUI(page, host, server, token, { path = '/connect-ui', ...extra } = {}) {
    await page.evaluate(
        async ({ url, token, base, path, extra }) => {
            const { default: Nango } = await import(`${url}npm/@nangohq/frontend/dist/index.js`);
            window.events = [];
            window.ui = new Nango({ host: base }).openConnectUI({ sessionToken: token, baseURL: base + path, apiURL: base, onEvent: (event) => window.events.push(event), ...extra });
        },
        { url: host.url, token, base: server.url, path, extra },
    );
    const frame = await until('the frame', () => page.frames().find((one) => one.url().startsWith(`${server.url}${path}`)));
    const events = (type) => page.evaluate((type) => window.events.filter((event) => !type || event.type === type), type);
    return { frame, events };
}

/** Waits until a page or frame of ours is in one of these states; returns which. */
export async function inState(frame, ...states) {
    const reached = await until(`${states.join(' or ')}`, async () => {
        const state = await frame.evaluate(() => document.documentElement.dataset.state);
        return states.includes(state) && state;
    });
    if (frame.page) await picture(frame.page(), `state-${reached}`);
    return reached;
}

let pictures = 0;

/** A picture for whoever wants to look at the pages, in the folder TENON_SCREENSHOTS. */
async function picture(page, name) {
    const folder = process.env.TENON_SCREENSHOTS;
    if (!folder) return;
    await mkdir(folder, { recursive: true });
    pictures += 1;
    await page.screenshot({ path: join(folder, `${name}-${process.pid}-${pictures}.png`) });
}

/** What a person who cannot see, or sees badly, would stumble over. Runs in the page. */
export function obstacles() {
    const found = [];
    const shown = (element) => element.checkVisibility({ visibilityProperty: true }) && !element.closest('[aria-hidden="true"], .sr');
    const nameOf = (element) => (element.getAttribute('aria-label') ?? [...(element.labels ?? [])].map((label) => label.textContent).join(' ')) || element.textContent || element.title || element.alt || '';
    for (const element of document.querySelectorAll('button, a[href], input, select, textarea, summary, iframe')) {
        if (shown(element) && !nameOf(element).trim()) found.push(`no name: ${element.outerHTML.slice(0, 80)}`);
    }
    for (const element of document.querySelectorAll('img')) if (!element.hasAttribute('alt')) found.push('a picture without alt');
    const ids = [...document.querySelectorAll('[id]')].map((element) => element.id);
    for (const id of new Set(ids.filter((id, at) => ids.indexOf(id) !== at))) found.push(`id twice: ${id}`);
    for (const element of document.querySelectorAll('[aria-describedby], [aria-labelledby]')) {
        const named = `${element.getAttribute('aria-describedby') ?? ''} ${element.getAttribute('aria-labelledby') ?? ''}`.trim().split(/\s+/);
        for (const id of named) if (!document.getElementById(id) && !document.getElementById('card').hasAttribute('aria-label')) found.push(`refers to nothing: ${id}`);
    }
    const parse = (colour) => (colour.match(/[\d.]+/g) ?? []).map(Number);
    const luminance = ([r, g, b]) => {
        const [x, y, z] = [r, g, b].map((part) => (part / 255 <= 0.03928 ? part / 255 / 12.92 : ((part / 255 + 0.055) / 1.055) ** 2.4));
        return 0.2126 * x + 0.7152 * y + 0.0722 * z;
    };
    const behind = (element) => {
        for (let at = element; at; at = at.parentElement) {
            const [r, g, b, alpha = 1] = parse(getComputedStyle(at).backgroundColor);
            if (alpha === 1) return [r, g, b];
        }
        return [255, 255, 255];
    };
    const walker = document.createTreeWalker(document.body, NodeFilter.SHOW_TEXT);
    while (walker.nextNode()) {
        const element = walker.currentNode.parentElement;
        if (!walker.currentNode.textContent.trim() || !shown(element) || element.closest('script, noscript, option, :disabled')) continue;
        const [a, b] = [luminance(parse(getComputedStyle(element).color)), luminance(behind(element))].sort((x, y) => y - x);
        const ratio = (a + 0.05) / (b + 0.05);
        if (ratio < 4.5) found.push(`contrast ${ratio.toFixed(2)}: ${walker.currentNode.textContent.trim().slice(0, 40)}`);
    }
    for (const element of document.querySelectorAll('button, .button, input, select')) {
        const box = element.getBoundingClientRect();
        if (shown(element) && (box.height < 24 || box.width < 24)) found.push(`too small to hit: ${nameOf(element)} ${box.width}×${box.height}`);
    }
    if (document.documentElement.scrollWidth > innerWidth) found.push(`scrolls sideways: ${document.documentElement.scrollWidth} > ${innerWidth}`);
    const main = document.getElementById('main');
    if (main && main.scrollWidth > main.clientWidth) found.push(`content is wider than the card: ${main.scrollWidth} > ${main.clientWidth}`);
    return found;
}
