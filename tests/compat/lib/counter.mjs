// Stands in front of an emulation while fixtures are recorded: smaller pages, and what the emulation lacks in routes.
import { createServer } from 'node:http';

/** Parameters that say how long a page may be. */
const SIZES = ['per_page', 'limit'];

/** Headers that belong to one hop. */
const HOP = ['host', 'connection', 'accept-encoding', 'content-length', 'transfer-encoding'];

export class Counter {
    /**
     * Every API has a longest page; this one gives `pageSize` things at most, so that a second page is small enough for a fixture.
     * @param {{target: string, pageSize?: number, getAsPost?: boolean}} options `getAsPost`: the real API takes GET, the emulation only forms
     */
    static async start({ target, pageSize = 2, getAsPost = false }) {
        const counter = new Counter();
        Object.assign(counter, { target, pageSize, getAsPost });
        counter.http = createServer((request, response) => {
            counter.pass(request, response).catch((error) => response.writeHead(502).end(error.message));
        });
        await new Promise((done) => counter.http.listen(0, '127.0.0.1', done));
        counter.url = `http://127.0.0.1:${counter.http.address().port}`;
        return counter;
    }

    async pass(request, response) {
        const url = new URL(request.url, this.target);
        for (const size of SIZES) {
            if (Number(url.searchParams.get(size)) > this.pageSize) url.searchParams.set(size, String(this.pageSize));
        }
        const chunks = [];
        for await (const chunk of request) chunks.push(chunk);
        const headers = Object.fromEntries(Object.entries(request.headers).filter(([name]) => !HOP.includes(name)));
        let { method } = request;
        let body = chunks.length ? Buffer.concat(chunks) : undefined;
        if (this.getAsPost && method === 'GET') {
            [method, body] = ['POST', url.searchParams.toString()];
            headers['content-type'] = 'application/x-www-form-urlencoded';
            url.search = '';
        }
        const answer = await fetch(url, { method, headers, body });
        // Links lead back here, not around us.
        const here = (text) => text.replaceAll(this.target, this.url);
        const answered = [...answer.headers].filter(([name]) => !HOP.includes(name) && name !== 'content-encoding');
        const text = here(await answer.text());
        response.writeHead(answer.status, Object.fromEntries(answered.map(([name, value]) => [name, here(value)])));
        response.end(text);
    }

    async stop() {
        this.http.closeAllConnections();
        await new Promise((done) => this.http.close(done));
    }
}
