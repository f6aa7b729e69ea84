// A small OAuth server with a consent page of one button, and an API that knows its tokens.
import { createServer } from 'node:http';

export class Consent {
    static async start() {
        const consent = new Consent();
        consent.server = createServer((request, response) => {
            const chunks = [];
            request.on('data', (chunk) => chunks.push(chunk));
            request.on('end', () => consent.answer(request, Buffer.concat(chunks).toString(), response));
        });
        await new Promise((done) => consent.server.listen(0, '127.0.0.1', done));
        consent.url = `http://127.0.0.1:${consent.server.address().port}`;
        return consent;
    }

    answer(request, body, response) {
        const { pathname, searchParams } = new URL(request.url, this.url);
        const json = (status, value) => response.writeHead(status, { 'content-type': 'application/json' }).end(JSON.stringify(value));
        if (pathname === '/authorize') {
            const back = (query) => `${searchParams.get('redirect_uri')}?state=${encodeURIComponent(searchParams.get('state'))}&${query}`;
            const page = `<!doctype html><a id="allow" href="${back('code=a-code')}">Allow</a> <a id="deny" href="${back('error=access_denied')}">Deny</a>`;
            return response.writeHead(200, { 'content-type': 'text/html' }).end(page);
        }
        if (pathname === '/token') return json(200, { access_token: 'granted-canary-token', token_type: 'bearer', expires_in: 3600 });
        if (pathname === '/step') return body.includes('right-canary-word') ? json(200, { session: 'stepped-canary-token' }) : json(401, {});
        const proofs = [['x-key', 'right-canary-key'], ['authorization', `Basic ${btoa('alice:right-canary-word')}`]];
        return proofs.some(([name, value]) => request.headers[name] === value) ? json(200, {}) : json(401, {});
    }

    /** Provider entries of every mode that this server understands. */
    providers() {
        const entry = (mode, rest) => ({ display_name: mode, categories: ['other'], auth_mode: mode, docs: 'https://example.test/docs', ...rest });
        const proxy = { base_url: this.url };
        const verified = (headers) => ({ proxy: { ...proxy, headers, verification: { method: 'GET', endpoints: ['/me'] } } });
        return JSON.stringify({
            popup: entry('OAUTH2', { authorization_url: `${this.url}/authorize`, token_url: `${this.url}/token`, proxy }),
            key: entry('API_KEY', verified({ 'x-key': '${apiKey}' })),
            basic: entry('BASIC', verified({ authorization: 'Basic ${base64(${username}:${password})}' })),
            client: entry('OAUTH2_CC', { token_url: `${this.url}/token`, proxy }),
            steps: entry('TWO_STEP', { token_url: `${this.url}/step`, token_params: { word: '${credentials.word}' }, token_response: { token: 'session' }, credentials: { word: { type: 'string', title: 'Word' } }, proxy }),
            none: entry('NONE', { proxy }),
        });
    }

    async stop() {
        this.server.closeAllConnections();
        await new Promise((done) => this.server.close(done));
    }
}
