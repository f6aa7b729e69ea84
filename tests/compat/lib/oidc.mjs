// A strict OpenID server that nobody here wrote: mandatory PKCE, rotating refresh tokens with reuse detection, real 401s.
import { createServer } from 'node:http';
import Provider from 'oidc-provider';

export class OpenIdServer {
    /** `beyond`: with devices and with tokens that are bound to keys. @param {{callback: string, accessTokenSeconds?: number, beyond?: boolean}} options */
    static async start({ callback, accessTokenSeconds = 3600, beyond = false }) {
        const server = new OpenIdServer();
        server.clientId = 'app';
        server.clientSecret = 'app-secret-0123456789-0123456789';
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
                    client_secret: 'machine-secret-0123456789-0123456789',
                    redirect_uris: [],
                    response_types: [],
                    grant_types: ['client_credentials'],
                    token_endpoint_auth_method: 'client_secret_post',
                },
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
                    dPoP: { enabled: true, nonceSecret: Buffer.alloc(32, 7), requireNonce: () => true },
                }),
            },
            findAccount: async (_context, sub) => ({ accountId: sub, claims: async () => ({ sub, email: `${sub}@example.test` }) }),
            cookies: { keys: ['tenon-compat'] },
        });
        server.nonces = 0;
        server.provider.on('grant.error', (_context, error) => (server.nonces += error.error === 'use_dpop_nonce' ? 1 : 0));
        server.provider.on('grant.success', (context) => server.tokenRequests.push({ type: context.oidc.params.grant_type, ok: true }));
        server.provider.on('grant.error', (context, error) => server.tokenRequests.push({ type: context.oidc.params?.grant_type, ok: false, error: error.error }));
        const callbackOf = server.provider.callback();
        server.http.on('request', async (request, response) => {
            // The protected API of this provider: 200 with a live token, a real 401 otherwise.
            if (request.url.startsWith('/api/')) return server.answerApi(request, response);
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
        const found = token && (await this.provider.AccessToken.find(token));
        if (!found || found.isExpired) {
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
