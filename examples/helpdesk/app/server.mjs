// A sample app around the published SDKs: the four steps from the app's side. Run `tenon dev` first, then `npm start`.
import { readFile } from 'node:fs/promises';
import { createServer } from 'node:http';
import { join, normalize } from 'node:path';
import { Nango } from '@nangohq/node';

const port = Number(process.env.PORT ?? 4100);
const dev = await findDevServer();
const { secret_key: secretKey } = dev.environments.find((environment) => environment.name === 'demo');
const integrationId = 'helpdesk';

// Webhooks come to us, signed with the environment's key.
const settings = await tenon('PATCH', '/environment', { webhook_settings: { primary_url: `http://127.0.0.1:${port}/webhooks` } });
const nango = new Nango({ host: dev.url, secretKey, webhookSigningKey: settings.data.webhook_signing_key });

/** What a real app keeps in its database. */
const database = { connections: new Map(), tickets: new Map(), webhooks: [] };

const routes = {
    'GET /state': async () => ({
        connections: [...database.connections.keys()],
        tickets: [...database.tickets.values()],
        webhooks: database.webhooks.slice(0, 10),
    }),

    // 1. Connect: the frontend gets a token for its user, and tells us when the user is done.
    'POST /session': async () => {
        const { data } = await nango.createConnectSession({ end_user: { id: 'user123', display_name: 'User 123' }, allowed_integrations: [integrationId] });
        return { token: data.token, host: dev.url };
    },
    'POST /connected': async ({ connectionId }) => {
        database.connections.set(connectionId, { integrationId });
        return { ok: true };
    },

    // 4. Write back.
    'POST /tickets': async ({ connectionId, title, content }) =>
        nango.triggerAction(integrationId, connectionId, 'create-ticket', { title, content }),
};

/** 2. and 3.: Tenon says that something changed, we fetch what. */
async function onWebhook(body, headers) {
    if (!nango.verifyIncomingWebhookRequest(body, headers)) return 401;
    const webhook = JSON.parse(body);
    database.webhooks.unshift({ type: webhook.type, model: webhook.model, ...webhook.responseResults });
    if (webhook.type !== 'sync' || !webhook.success) return 200;
    const { connectionId, model, modifiedAfter } = webhook;
    let cursor = null;
    do {
        const page = await nango.listRecords({ providerConfigKey: integrationId, connectionId, model, modifiedAfter, cursor });
        for (const { _nango_metadata: metadata, ...ticket } of page.records) {
            if (metadata.deleted_at) database.tickets.delete(ticket.id);
            else database.tickets.set(ticket.id, ticket);
        }
        cursor = page.next_cursor;
    } while (cursor);
    return 200;
}

createServer(async (request, response) => {
    const { pathname } = new URL(request.url, 'http://app');
    const chunks = [];
    for await (const chunk of request) chunks.push(chunk);
    const body = Buffer.concat(chunks).toString();
    try {
        if (pathname === '/webhooks') return response.writeHead(await onWebhook(body, request.headers)).end();
        const route = routes[`${request.method} ${pathname}`];
        if (route) return json(response, 200, await route(body ? JSON.parse(body) : {}));
        return await file(response, pathname);
    } catch (problem) {
        console.error(problem.response?.data ?? problem);
        return json(response, 500, { error: problem.response?.data?.error?.message ?? problem.message });
    }
}).listen(port, '127.0.0.1', () => console.log(`sample app: http://127.0.0.1:${port}`));

function json(response, status, value) {
    response.writeHead(status, { 'content-type': 'application/json' }).end(JSON.stringify(value));
}

/** The page, and the published frontend package for it. */
async function file(response, pathname) {
    const roots = { '/npm/': join(import.meta.dirname, '..', 'node_modules'), '/': join(import.meta.dirname, 'public') };
    const prefix = pathname.startsWith('/npm/') ? '/npm/' : '/';
    const path = normalize(pathname === '/' ? 'index.html' : pathname.slice(prefix.length));
    const types = { html: 'text/html', js: 'text/javascript', css: 'text/css' };
    try {
        if (path.startsWith('..')) throw new Error('outside');
        const content = await readFile(join(roots[prefix], path));
        response.writeHead(200, { 'content-type': types[path.split('.').at(-1)] ?? 'application/octet-stream' }).end(content);
    } catch {
        response.writeHead(404).end();
    }
}

async function tenon(method, path, body) {
    const response = await fetch(`${dev.url}${path}`, { method, headers: { authorization: `Bearer ${secretKey}`, 'content-type': 'application/json' }, body: JSON.stringify(body) });
    if (!response.ok) throw new Error(`${method} ${path}: ${response.status} ${await response.text()}`);
    return response.json();
}

/** `tenon dev` writes down where it is and with which keys, in the folder it was started in. */
async function findDevServer() {
    const places = [process.env.TENON_DEV_FILE, '.tenon/dev.json', '../../.tenon/dev.json'].filter(Boolean);
    for (const place of places) {
        try {
            return JSON.parse(await readFile(place, 'utf8'));
        } catch {
            // Look at the next one.
        }
    }
    throw new Error(`no running \`tenon dev\` found (looked at ${places.join(', ')}); set TENON_DEV_FILE to its dev.json`);
}
