// A strict OpenID server that nobody here wrote: mandatory PKCE, rotating refresh tokens with reuse detection, real 401s.
import assert from 'node:assert/strict';
import { createServer } from 'node:http';
import Provider from 'oidc-provider';

/** Clients that prove with a key who they are (RFC 7523). */
function keyedClients(callback, keys) {
    const common = { token_endpoint_auth_method: 'private_key_jwt', jwks: { keys }, application_type: 'native' };
    return [
        { client_id: 'keyed', redirect_uris: [callback], grant_types: ['authorization_code', 'refresh_token'], token_endpoint_auth_signing_alg: 'ES256', ...common },
        { client_id: 'keyed-machine', redirect_uris: [], response_types: [], grant_types: ['client_credentials'], token_endpoint_auth_signing_alg: 'RS256', ...common },
    ];
}

/** A person walks through the pages of the server, following its redirects by hand; returns where they end. */
export async function agree(start, isEnd) {
    const jar = new Map();
    let url = start;
    let form;
    for (let step = 0; step < 20; step++) {
        const cookie = [...jar].map(([name, value]) => `${name}=${value}`).join('; ');
        const options = form ? { method: 'POST', body: new URLSearchParams(form), redirect: 'manual', headers: { cookie } } : { redirect: 'manual', headers: { cookie } };
        const response = await fetch(url, options);
        for (const line of response.headers.getSetCookie()) {
            const [name, value] = line.split(';')[0].split('=');
            jar.set(name, value);
        }
        const location = response.headers.get('location');
        form = undefined;
        if (location) {
            url = new URL(location, url).href;
            if (isEnd(url)) return url;
            continue;
        }
        const page = await response.text();
        if (isEnd(url, page)) return url;
        const action = page.match(/action="([^"]+)"/)?.[1];
        assert.ok(action, `no form on ${url}: ${page.slice(0, 400)}`);
        url = new URL(action.replaceAll('&amp;', '&'), url).href;
        form = Object.fromEntries([...page.matchAll(/<input[^>]*type="hidden"[^>]*>/g)].map(([input]) => [input.match(/name="([^"]+)"/)[1], input.match(/value="([^"]*)"/)?.[1] ?? '']));
        if (page.includes('name="login"')) Object.assign(form, { login: 'alice', password: 'x' });
    }
    throw new Error(`the pages of the provider do not end: ${url}`);
}

/** A whole flow through the pages of the server; `query` goes with the start. Returns where it came back, and the page at the end. */
export async function connect(server, integration, connectionId, query = {}) {
    const search = new URLSearchParams({ public_key: server.environment().public_key, connection_id: connectionId, ...query });
    const start = await fetch(`${server.url}/oauth/connect/${integration}?${search}`, { redirect: 'manual' });
    assert.equal(start.status, 302, await start.text());
    const callback = await agree(start.headers.get('location'), (url) => url.startsWith(server.url));
    const cookie = start.headers.getSetCookie()[0].split(';')[0];
    return { callback, page: await fetch(callback, { headers: { cookie } }) };
}

export class OpenIdServer {
    /**
     * `beyond`: with devices, with tokens that are bound to keys or to one resource, and open to clients that register themselves.
     * `keys`: public keys of the clients `keyed` and `keyed-machine`, which have no secrets.
     * @param {{callback: string, accessTokenSeconds?: number, beyond?: boolean, keys?: object[]}} options
     */
    static async start({ callback, accessTokenSeconds = 3600, beyond = false, keys = [] }) {
        const server = new OpenIdServer();
        server.clientId = 'app';
        server.clientSecret = 'app-canary-0123456789-0123456789';
        server.machineSecret = 'machine-canary-0123456789-0123456789';
        server.tokenRequests = [];
        server.http = createServer();
        await new Promise((done) => server.http.listen(0, '127.0.0.1', done));
        server.url = `http://127.0.0.1:${server.http.address().port}`;
        server.provider = new Provider(server.url, {
            clients: [
                {
                    client_id: server.clientId,
                    client_secret: server.clientSecret,
                    redirect_uris: [callback],
                    application_type: 'native',
                    grant_types: ['authorization_code', 'refresh_token', ...(beyond ? ['urn:ietf:params:oauth:grant-type:device_code'] : [])],
                    token_endpoint_auth_method: 'client_secret_post',
                },
                {
                    client_id: 'machine',
                    client_secret: server.machineSecret,
                    redirect_uris: [],
                    response_types: [],
                    grant_types: ['client_credentials'],
                    token_endpoint_auth_method: 'client_secret_post',
                },
                ...(keys.length ? keyedClients(callback, keys) : []),
            ],
            pkce: { required: () => true },
            rotateRefreshToken: true,
            issueRefreshToken: async (_context, client) => client.grantTypeAllowed('refresh_token'),
            ttl: { AccessToken: accessTokenSeconds, Grant: 86_400, Session: 86_400, RefreshToken: 86_400, Interaction: 600 },
            features: {
                devInteractions: { enabled: true },
                clientCredentials: { enabled: true },
                introspection: { enabled: true },
                revocation: { enabled: true },
                ...(beyond && {
                    deviceFlow: { enabled: true },
                    registration: { enabled: true },
                    resourceIndicators: {
                        enabled: true,
                        defaultResource: async () => undefined,
                        useGrantedResource: async () => true,
                        getResourceServerInfo: async (_context, resource) => ({ audience: resource, scope: 'read write', accessTokenFormat: 'opaque' }),
                    },
                    dPoP: { enabled: true, nonceSecret: Buffer.alloc(32, 7), requireNonce: () => true },
                }),
            },
            findAccount: async (_context, sub) => ({ accountId: sub, claims: async () => ({ sub, email: `${sub}@example.test` }) }),
            cookies: { keys: ['tenon-compat'] },
        });
        server.nonces = 0;
        server.registered = 0;
        server.provider.on('registration_create.success', () => (server.registered += 1));
        server.provider.on('grant.error', (_context, error) => (server.nonces += error.error === 'use_dpop_nonce' ? 1 : 0));
        server.provider.on('grant.success', (context) => server.tokenRequests.push({ type: context.oidc.params.grant_type, ok: true }));
        server.provider.on('grant.error', (context, error) => server.tokenRequests.push({ type: context.oidc.params?.grant_type, ok: false, error: error.error }));
        const callbackOf = server.provider.callback();
        server.http.on('request', async (request, response) => {
            // The protected API of this provider: 200 with a live token, a real 401 otherwise.
            if (request.url.startsWith('/api/') || request.url === '/mcp') return server.answerApi(request, response);
            if (request.url === '/.well-known/oauth-protected-resource/mcp') {
                const about = { resource: `${server.url}/mcp`, authorization_servers: [server.url], scopes_supported: ['read', 'write'] };
                return response.writeHead(200, { 'content-type': 'application/json' }).end(JSON.stringify(about));
            }
            if (server.beforeTokenAnswer && request.url.startsWith('/token')) server.holdAnswer(response);
            return callbackOf(request, response);
        });
        return server;
    }

    /** What the provider has done is done, but nobody hears of it before the test wants it. */
    holdAnswer(response) {
        const hold = this.beforeTokenAnswer;
        this.beforeTokenAnswer = undefined;
        const end = response.end.bind(response);
        response.end = (...body) => void hold().then(() => end(...body));
    }

    /** A refresh token of a person who has agreed, without the pages. */
    async refreshToken(accountId) {
        const { Client, Grant, RefreshToken } = this.provider;
        const scope = 'openid offline_access';
        const grant = new Grant({ accountId, clientId: this.clientId });
        grant.addOIDCScope(scope);
        const grantId = await grant.save();
        const client = await Client.find(this.clientId);
        return new RefreshToken({ accountId, client, grantId, scope, gty: 'authorization_code' }).save();
    }

    async answerApi(request, response) {
        const token = (request.headers.authorization ?? '').replace(/^Bearer /, '');
        const { AccessToken, ClientCredentials } = this.provider;
        const found = token && ((await AccessToken.find(token)) ?? (await ClientCredentials.find(token)));
        // A token is good for the resource that it was asked for, and only there (RFC 8707).
        const meant = request.url === '/mcp' ? `${this.url}/mcp` : undefined;
        if (!found || found.isExpired || found.aud !== meant) {
            response.writeHead(401, { 'www-authenticate': 'Bearer error="invalid_token"', 'content-type': 'application/json' });
            return response.end('{"error":"invalid_token"}');
        }
        response.writeHead(200, { 'content-type': 'application/json' });
        if (request.url === '/api/tickets') return this.answerTickets(request, response);
        return response.end(JSON.stringify({ account: found.accountId, path: request.url }));
    }

    /** A tickets API in the memory of the test that set `tickets`. */
    async answerTickets(request, response) {
        if (request.method === 'GET') return response.end(JSON.stringify({ tickets: this.tickets }));
        let body = '';
        for await (const chunk of request) body += chunk;
        const ticket = { id: this.tickets.length + 1, ...JSON.parse(body).ticket };
        this.tickets.push(ticket);
        return response.end(JSON.stringify({ ticket }));
    }

    async stop() {
        this.http.closeAllConnections();
        await new Promise((done) => this.http.close(done));
    }
}
