// A server with an API behind it, for every version of the published Node client alike.
import { createServer } from 'node:http';
import { mkdtemp, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { tenonDeploy } from './project.mjs';
import { Receiver } from './receiver.mjs';
import { Server, until } from './server.mjs';

const ITEMS = Array.from({ length: 25 }, (_, number) => ({ id: `item-${number}`, value: number }));

export class SdkWorld {
    static async start() {
        const world = new SdkWorld();
        world.asked = [];
        [world.upstream, world.receiver] = await Promise.all([world.listen(), Receiver.start()]);
        const folder = await mkdtemp(join(tmpdir(), 'tenon-providers-'));
        const file = join(folder, 'providers.yaml');
        await writeFile(file, providers(`http://127.0.0.1:${world.upstream.address().port}`));
        world.server = await Server.start({ flags: ['--providers', file] });
        const { server } = world;
        await server.ok('PATCH', '/environment', { webhook_settings: { primary_url: world.receiver.url } });
        await server.ok('POST', '/integrations', { provider: 'keyed', unique_key: 'keyed', display_name: 'Keyed One' });
        await server.ok('POST', '/integrations', { provider: 'ledger', unique_key: 'ledger' });
        await server.ok('POST', '/integrations', { provider: 'granted', unique_key: 'granted', credentials: { type: 'OAUTH2', client_id: 'our-id', client_secret: 'our-canary-secret', scopes: 'read' } });
        await tenonDeploy(server, [], join(import.meta.dirname, '..', 'sdk-project'));
        return world;
    }

    /** An API that says what it was asked, and has a list. */
    async listen() {
        const upstream = createServer((request, response) => {
            const chunks = [];
            request.on('data', (chunk) => chunks.push(chunk));
            request.on('end', () => {
                this.asked.push(request.url);
                response.setHeader('content-type', 'application/json');
                if (request.url.startsWith('/items')) return response.end(JSON.stringify({ items: ITEMS }));
                response.statusCode = request.url.startsWith('/missing') ? 404 : 200;
                const { method, url, headers } = request;
                return response.end(JSON.stringify({ method, url, key: headers['x-key'] ?? null, own: headers['x-own'] ?? null, body: Buffer.concat(chunks).toString() }));
            });
        });
        await new Promise((done) => upstream.listen(0, '127.0.0.1', done));
        return upstream;
    }

    /** One connection of each integration under the same id; the sync of the ledger has run. */
    async connect(id) {
        const { server } = this;
        await server.ok('POST', '/connections', { provider_config_key: 'keyed', connection_id: id, credentials: { type: 'API_KEY', apiKey: `canary-key-of-${id}` }, end_user: { id: `user-of-${id}` } });
        await server.ok('POST', '/connections', { provider_config_key: 'granted', connection_id: id, credentials: { type: 'OAUTH2', access_token: `canary-token-of-${id}`, refresh_token: `refresh-of-${id}`, expires_at: '2999-01-01T00:00:00.000Z' } });
        await server.ok('POST', '/connections', { provider_config_key: 'ledger', connection_id: id, credentials: { type: 'NONE' } });
        await until(`the first run of ${id}`, async () => (await server.ok('GET', '/records?model=Item', undefined, { 'connection-id': id, 'provider-config-key': 'ledger' })).records.length === ITEMS.length);
    }

    /** How often the sync of a connection has asked for the list. */
    runsOf(id) {
        return this.asked.filter((url) => url === `/items?of=${id}`).length;
    }

    async syncStatus(id) {
        const { syncs } = await this.server.ok('GET', `/sync/status?syncs=items&provider_config_key=ledger&connection_id=${id}`);
        return syncs[0];
    }

    async stop() {
        await this.server?.stop();
        await this.receiver?.stop();
        this.upstream?.closeAllConnections();
        this.upstream?.close();
    }
}

const providers = (base) => `keyed:
    display_name: Keyed
    categories: [other]
    auth_mode: API_KEY
    proxy: { base_url: "${base}", headers: { x-key: "\${apiKey}" } }
    credentials: { apiKey: { type: string, title: Key, description: Any } }
    docs: https://example.test/docs
granted:
    display_name: Granted
    categories: [other]
    auth_mode: OAUTH2
    authorization_url: ${base}/authorize
    token_url: ${base}/token
    proxy: { base_url: "${base}" }
    docs: https://example.test/docs
ledger:
    display_name: Ledger
    categories: [other]
    auth_mode: NONE
    proxy: { base_url: "${base}" }
    docs: https://example.test/docs
`;
