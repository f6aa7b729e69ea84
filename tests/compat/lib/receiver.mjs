// The app's backend: keeps the webhooks it got, raw.
import { createServer } from 'node:http';

export class Receiver {
    static async start() {
        const receiver = new Receiver();
        receiver.requests = [];
        receiver.status = 200;
        receiver.server = createServer((request, response) => {
            const chunks = [];
            request.on('data', (chunk) => chunks.push(chunk));
            request.on('end', () => {
                const body = Buffer.concat(chunks).toString('utf8');
                receiver.requests.push({ path: request.url, headers: request.headers, body, json: JSON.parse(body), status: receiver.status });
                response.writeHead(receiver.status).end();
            });
        });
        await new Promise((done) => receiver.server.listen(0, '127.0.0.1', done));
        receiver.url = `http://127.0.0.1:${receiver.server.address().port}/hook`;
        return receiver;
    }

    /** Webhooks of one type, in order of arrival. */
    of(type) {
        return this.requests.filter((request) => request.json.type === type);
    }

    async stop() {
        this.server.closeAllConnections();
        await new Promise((done) => this.server.close(done));
    }
}
