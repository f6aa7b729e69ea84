// Emulations that others wrote, with something in them for the fixtures of templates/: which of our functions they can answer.
import { spawn } from 'node:child_process';
import { mkdtemp, rm, writeFile } from 'node:fs/promises';
import { createServer } from 'node:http';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import Provider from 'oidc-provider';
import { Counter } from './counter.mjs';
import { node22 } from './emulate.mjs';
import { freePort, until } from './server.mjs';

const TOKEN = 'tok_recorder';

/** A service of the `emulate` package behind a `Counter`. */
async function emulate(service, seed, { login = 'ada', ...options } = {}) {
    const folder = await mkdtemp(join(tmpdir(), 'tenon-emulate-'));
    const file = join(folder, 'seed.json');
    // JSON is YAML, too.
    await writeFile(file, JSON.stringify({ tokens: { [TOKEN]: { login, scopes: ['repo', 'user'] } }, ...seed }));
    const target = `http://localhost:${await freePort()}`;
    const main = join(import.meta.dirname, '..', 'node_modules', 'emulate', 'dist', 'index.js');
    const flags = ['start', '--service', service, '--port', new URL(target).port, '--seed', file];
    const child = spawn(node22, [main, ...flags], { stdio: 'ignore' });
    await until(`the emulation of ${service}`, () => fetch(target));
    const counter = await Counter.start({ target, ...options });
    const api = async (method, path, body) => {
        const headers = { authorization: `Bearer ${TOKEN}`, 'content-type': 'application/json' };
        const answer = await fetch(target + path, { method, headers, body: body && JSON.stringify(body) });
        if (!answer.ok) throw new Error(`${method} ${path}: ${answer.status} ${await answer.text()}`);
        return answer.status === 204 ? undefined : answer.json();
    };
    const stop = async () => {
        await counter.stop();
        const ended = new Promise((done) => child.on('exit', done));
        child.kill('SIGTERM');
        await ended;
        await rm(folder, { recursive: true, force: true });
    };
    return { url: counter.url, api, stop, counterpart: `emulate ${service}` };
}

/** Issues on three pages: open, closed, not planned, with and without labels; and a pull request among them. */
async function github() {
    const emulation = await emulate('github', {
        github: {
            users: [{ login: 'ada', name: 'Ada Lovelace' }, { login: 'acme', name: 'Acme' }],
            repos: [{ owner: 'acme', name: 'app', auto_init: true }],
        },
    }, { login: 'acme' });
    const { api, url } = emulation;
    const issues = '/repos/acme/app/issues';
    const crash = 'Crash when the window is closed twice';
    await api('POST', issues, { title: 'Typo in the manual' });
    await api('POST', issues, { title: 'Dark mode', labels: ['wish'] });
    await api('PATCH', `${issues}/1`, { state: 'closed', state_reason: 'completed' });
    const main = await api('GET', '/repos/acme/app/git/ref/heads/main');
    await api('POST', '/repos/acme/app/git/refs', { ref: 'refs/heads/fix', sha: main.object.sha });
    await api('POST', '/repos/acme/app/pulls', { title: 'Fix the crash', head: 'fix', base: 'main' });
    await api('POST', issues, { title: crash, body: 'Close it, then close it again.', labels: ['bug'], assignees: ['ada'] });
    const repository = { owner: 'acme', repository: 'app' };
    const create = { title: 'Retry uploads', description: 'An upload that was cut off begins again.', labels: ['bug'], assignees: ['ada'] };
    return {
        ...emulation,
        addresses: [[`${url}/repos/`, 'https://api.github.com/repos/'], [url, 'https://github.example.com']],
        runs: {
            issues: { url, token: TOKEN, metadata: repository },
            'create-issue': { url, token: TOKEN, input: { ...repository, ...create } },
            'update-issue': { url, token: TOKEN, input: { ...repository, number: 2, status: 'not_planned', labels: ['wontfix'] } },
        },
    };
}

/** The emulation has no refunds, and its customers have no telephone. */
async function stripe() {
    const customers = [
        { name: 'Ada Lovelace', email: 'ada@example.com' },
        { name: 'Charles Babbage', email: 'charles@example.com' },
        { email: 'mary@example.com' },
    ];
    const emulation = await emulate('stripe', { stripe: { customers } });
    const { url } = emulation;
    const input = { email: 'grace@example.com', name: 'Grace Hopper', externalId: 'user-17', idempotencyKey: 'signup-user-17' };
    return {
        ...emulation,
        addresses: [[url, 'https://api.stripe.com']],
        runs: { customers: { url, token: TOKEN }, 'create-customer': { url, token: TOKEN, input } },
    };
}

/** The emulation's list of users leaves out the deactivated ones, which our sync is for. */
async function slack() {
    const users = [{ name: 'ada', real_name: 'Ada Lovelace', email: 'ada@example.com' }];
    const seed = { team: { name: 'Acme', domain: 'acme' }, users, channels: [{ name: 'deploys', topic: 'What went out' }] };
    const emulation = await emulate('slack', { slack: seed }, { getAsPost: true });
    const { channels } = await emulation.api('POST', '/api/conversations.list', {});
    const channel = channels.find(({ name }) => name === 'deploys').id;
    const { ts } = await emulation.api('POST', '/api/chat.postMessage', { channel, text: 'Version 2.1 goes out now.' });
    const url = `${emulation.url}/api`;
    return {
        ...emulation,
        addresses: [[emulation.url, 'https://slack.example.com']],
        runs: {
            'find-user': { url, token: TOKEN, input: { email: 'ada@example.com' } },
            'send-message': { url, token: TOKEN, input: { channel, text: 'Version 2.1 is out.', thread: ts } },
        },
    };
}

const google = () =>
    emulate('google', {
        google: {
            users: [{ email: 'ada@example.com', name: 'Ada Lovelace', email_verified: true }],
            calendars: [
                { id: 'primary', user_email: 'ada@example.com', summary: 'ada@example.com', primary: true, time_zone: 'Europe/Berlin' },
                { id: 'team@example.com', user_email: 'ada@example.com', summary: 'Team', time_zone: 'Europe/Berlin' },
            ],
            drive_items: [
                { id: 'invoices', user_email: 'ada@example.com', name: 'Books', mime_type: 'application/vnd.google-apps.folder', parent_ids: ['root'] },
            ],
        },
    }, { login: 'ada@example.com' });

/** The emulation has no sync tokens, so the sync of events would show neither changes nor what was cancelled. */
async function calendar() {
    const emulation = await google();
    const { api, url } = emulation;
    const { id: eventId } = await api('POST', '/calendar/v3/calendars/primary/events', {
        summary: 'Review of the engine', start: { dateTime: '2026-03-10T10:00:00+01:00' }, end: { dateTime: '2026-03-10T11:00:00+01:00' },
    });
    const event = {
        calendarId: 'team@example.com', title: 'Review of the engine', description: 'Bring the cards.', location: 'Room 3',
        startsAt: '2026-03-10T10:00:00+01:00', endsAt: '2026-03-10T11:00:00+01:00', attendees: ['charles@example.com'], invite: true,
    };
    return {
        ...emulation,
        addresses: [[url, 'https://www.googleapis.com']],
        runs: {
            'create-event': { url, token: TOKEN, input: event },
            'cancel-event': { url, token: TOKEN, input: { eventId, notify: true } },
        },
    };
}

/** The emulation has neither the change log nor permissions. */
async function drive() {
    const emulation = await google();
    const { url } = emulation;
    return {
        ...emulation,
        addresses: [[url, 'https://www.googleapis.com']],
        runs: { 'create-folder': { url, token: TOKEN, input: { name: 'Invoices', parentId: 'invoices' } } },
    };
}

const REALM = '/realms/acme';

/** People of the OpenID server: one with everything, one who says no more than a name. */
const PEOPLE = {
    248289761001: { name: 'Ada Lovelace', preferred_username: 'ada', email: 'ada@example.com', picture: 'https://avatars.example.com/ada.png' },
    248289761002: { preferred_username: 'deploybot' },
};

/** `oidc-provider`, in a realm of a host that it believes to be on. */
async function oidc() {
    const provider = new Provider(`https://id.example.com${REALM}`, {
        clients: [{ client_id: 'app', client_secret: 'app-canary-0123456789-0123456789', redirect_uris: ['https://app.example.com/callback'] }],
        claims: { openid: ['sub'], profile: ['name', 'preferred_username', 'picture'], email: ['email'] },
        findAccount: async (_context, sub) => ({ accountId: sub, claims: async () => ({ sub, ...PEOPLE[sub] }) }),
        cookies: { keys: ['recorder'] },
        features: { devInteractions: { enabled: false } },
    });
    provider.proxy = true;
    const answer = provider.callback();
    const http = createServer((request, response) => {
        Object.assign(request.headers, { 'x-forwarded-proto': 'https', 'x-forwarded-host': 'id.example.com' });
        const inside = request.url.replace(/^(\/realms\/acme)+/, '');
        Object.assign(request, { url: inside, originalUrl: REALM + inside });
        return answer(request, response);
    });
    await new Promise((done) => http.listen(0, '127.0.0.1', done));
    const url = `http://127.0.0.1:${http.address().port}`;
    const token = async (accountId) => {
        const grant = new provider.Grant({ accountId, clientId: 'app' });
        grant.addOIDCScope('openid profile email');
        const [grantId, client] = [await grant.save(), await provider.Client.find('app')];
        return new provider.AccessToken({ accountId, client, grantId, scope: 'openid profile email', gty: 'authorization_code' }).save();
    };
    const [ada, bot] = await Promise.all(Object.keys(PEOPLE).map(token));
    return {
        counterpart: 'oidc-provider',
        addresses: [],
        runs: {
            profile: { url, token: ada },
            'get-profile': { url, token: bot, input: {} },
            'get-provider': { url, token: ada, input: {} },
        },
        stop: async () => {
            http.closeAllConnections();
            await new Promise((done) => http.close(done));
        },
    };
}

/** By integration; what is not here, and each fixture that is not among its `runs`, goes through the simulator. */
export const emulated = { github, stripe, slack, 'google-calendar': calendar, 'google-drive': drive, oidc };
