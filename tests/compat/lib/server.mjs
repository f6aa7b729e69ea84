// Starts the binary as a separate process, as a stranger would, in an empty data directory.
import { spawn } from 'node:child_process';
import { mkdtemp, readFile, rm } from 'node:fs/promises';
import { createServer } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { randomBytes } from 'node:crypto';
import { Canaries } from './canaries.mjs';

export const binary = process.env.TENON_BINARY;
if (!binary) throw new Error('TENON_BINARY is not set: run these tests with `cargo xtask test compat`');

/** A port that was free a moment ago. */
export async function freePort() {
    const server = createServer();
    await new Promise((done) => server.listen(0, '127.0.0.1', done));
    const { port } = server.address();
    await new Promise((done) => server.close(done));
    return port;
}

/** Waits until `probe` returns something true; fails with `what` after `timeoutMs`. */
export async function until(what, probe, timeoutMs = 20_000) {
    const end = Date.now() + timeoutMs;
    let last;
    for (;;) {
        try {
            const found = await probe();
            if (found) return found;
        } catch (error) {
            last = error;
        }
        if (Date.now() > end) throw new Error(`waited ${timeoutMs} ms for ${what}${last ? `: ${last.message}` : ''}`);
        await new Promise((done) => setTimeout(done, 25));
    }
}

/** A fresh database of the test Postgres, or nothing when the run is on SQLite. */
export async function freshDatabase() {
    const base = process.env.TENON_TEST_POSTGRES_URL;
    if (!base) return undefined;
    const name = `compat_${randomBytes(6).toString('hex')}`;
    const psql = spawn('psql', [base, '-qc', `CREATE DATABASE ${name}`], { stdio: 'inherit' });
    const code = await new Promise((done) => psql.on('exit', done));
    if (code !== 0) throw new Error(`psql ended with ${code}`);
    const url = new URL(base);
    url.pathname = `/${name}`;
    return url.href;
}

export class Server {
    canaries = new Canaries();

    /** Everything that its processes have said. */
    told = '';

    /**
     * @param {{command?: string, flags?: string[], mayTell?: boolean, env?: Record<string, string>, cwd?: string, demo?: boolean, databaseUrl?: string, port?: number}} options
     */
    static async start(options = {}) {
        const server = new Server();
        server.options = options;
        server.folder = await mkdtemp(join(tmpdir(), 'tenon-compat-'));
        server.dataDir = join(server.folder, 'data');
        server.databaseUrl = options.databaseUrl ?? (await freshDatabase());
        server.port = options.port ?? (await freePort());
        await server.launch();
        return server;
    }

    /** Starts the process (again, after `kill`). */
    async launch() {
        const { command = 'dev', flags = [], env = {}, cwd = this.folder, demo = false } = this.options;
        const list = [command, '--data-dir', this.dataDir, '--port', String(this.port), ...flags];
        if (command === 'dev' && !demo) list.push('--no-demo');
        if (this.databaseUrl) list.push('--database-url', this.databaseUrl);
        this.output = '';
        this.process = spawn(binary, list, { cwd, env: { ...process.env, TENON_LOG: 'info', ...env }, stdio: ['ignore', 'pipe', 'pipe'] });
        const keep = (chunk) => {
            this.told += chunk;
            this.output = (this.output + chunk).slice(-200_000);
        };
        this.process.stdout.on('data', keep);
        this.process.stderr.on('data', keep);
        this.exited = new Promise((done) => this.process.on('exit', (code, signal) => done({ code, signal })));
        let gone;
        this.exited.then((status) => (gone = status));
        try {
            await until('the server to answer', async () => {
                if (gone) throw new Error(`it ended: ${JSON.stringify(gone)}`);
                return (await fetch(`${this.url}/health`)).ok;
            });
            this.dev = JSON.parse(await readFile(join(this.dataDir, 'dev.json'), 'utf8'));
            this.canaries.note(this.dev);
        } catch (error) {
            throw new Error(`${error.message}\n${this.output}`);
        }
    }

    get url() {
        return `http://localhost:${this.port}`;
    }

    /** Keys of an environment, as `dev.json` has them. */
    environment(name = 'dev') {
        const found = this.dev.environments.find((environment) => environment.name === name);
        if (!found) throw new Error(`no environment ${name} in dev.json`);
        return found;
    }

    get secretKey() {
        return this.environment().secret_key;
    }

    /** A call of the public API with the secret key; the answer with its JSON. */
    async api(method, path, body, headers = {}) {
        this.canaries.note(body);
        const response = await fetch(this.url + path, {
            method,
            headers: { authorization: `Bearer ${this.secretKey}`, ...(body === undefined ? {} : { 'content-type': 'application/json' }), ...headers },
            body: body === undefined ? undefined : JSON.stringify(body),
        });
        const text = await response.text();
        let json;
        try {
            json = text ? JSON.parse(text) : undefined;
        } catch {
            json = undefined;
        }
        this.canaries.note(json);
        return { status: response.status, headers: response.headers, text, json };
    }

    /** Like `api`, but any other status than 2xx throws. */
    async ok(method, path, body, headers) {
        const answer = await this.api(method, path, body, headers);
        if (answer.status >= 300) throw new Error(`${method} ${path}: ${answer.status} ${answer.text}`);
        return answer.json;
    }

    /** Ends the process the hard way; the data stays. */
    async kill() {
        this.process.kill('SIGKILL');
        await this.exited;
    }

    /** Ends the process and removes its data. An error if a secret has got into its logs or lies in the open. */
    async stop() {
        this.process.kill('SIGTERM');
        const timer = setTimeout(() => this.process.kill('SIGKILL'), 10_000);
        const status = await this.exited;
        clearTimeout(timer);
        const leaks = this.options.mayTell ? [] : await this.canaries.search(this.told, this.dataDir);
        await rm(this.folder, { recursive: true, force: true });
        if (leaks.length > 0) throw new Error(`secrets where none may be:\n${leaks.join('\n')}`);
        return status;
    }
}
