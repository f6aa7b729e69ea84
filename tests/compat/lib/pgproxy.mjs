// Stands between a node and Postgres, so that a test can end the node at a chosen statement: statements of transactions
// travel as text.
import { connect, createServer } from 'node:net';

/** Statements are searched for across the pieces they arrive in; none of those looked for is longer than this. */
const CARRIED = 4096;

export class PostgresProxy {
    static async start(target) {
        const proxy = new PostgresProxy();
        const { hostname, port } = new URL(target);
        proxy.sockets = new Set();
        proxy.server = createServer((client) => proxy.join(client, connect(Number(port || 5432), hostname)));
        await new Promise((done) => proxy.server.listen(0, '127.0.0.1', done));
        const url = new URL(target);
        url.host = `127.0.0.1:${proxy.server.address().port}`;
        proxy.url = url.href;
        return proxy;
    }

    /** Once `text` is about to pass, `act` happens instead: nothing of it reaches the database. */
    before(text, act) {
        this.watch = { text, act };
    }

    /** Once the transaction that holds `text` was committed, `act` happens before the node hears of it. */
    afterCommitOf(text, act) {
        this.watch = { text, act, commits: true };
    }

    join(client, database) {
        const side = { seen: '', inside: false, committing: false };
        for (const socket of [client, database]) {
            this.sockets.add(socket);
            socket.on('error', () => {});
            socket.on('close', () => {
                this.sockets.delete(socket);
                client.destroy();
                database.destroy();
            });
        }
        client.on('data', (chunk) => {
            if (!this.isStopped(side, chunk)) database.write(chunk);
        });
        database.on('data', (chunk) => {
            if (side.committing) return this.act();
            client.write(chunk);
        });
    }

    /** Whether this must not reach the database. */
    isStopped(side, chunk) {
        if (!this.watch) return false;
        side.seen = (side.seen + chunk.toString('latin1')).slice(-CARRIED - chunk.length);
        if (!side.inside && side.seen.includes(this.watch.text)) {
            if (!this.watch.commits) {
                this.act();
                return true;
            }
            side.inside = true;
            side.seen = side.seen.slice(side.seen.indexOf(this.watch.text));
        }
        if (side.inside && side.seen.includes('COMMIT')) side.committing = true;
        return false;
    }

    act() {
        const { act } = this.watch;
        this.watch = undefined;
        act();
    }

    async stop() {
        for (const socket of this.sockets) socket.destroy();
        await new Promise((done) => this.server.close(done));
    }
}
