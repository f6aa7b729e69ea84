// Headless Chromium and a host page that uses the published frontend package.
import { createServer } from 'node:http';
import { readFile } from 'node:fs/promises';
import { join, normalize } from 'node:path';
import { chromium } from 'playwright-core';

const quiet = ['--no-sandbox', '--disable-gpu', '--disable-quic', '--no-first-run', '--disable-background-networking', '--disable-component-update', '--disable-sync'];

export async function launchBrowser() {
    return chromium.launch({ executablePath: process.env.TENON_CHROMIUM ?? '/usr/bin/chromium', headless: true, args: quiet });
}

/** Presses a key that takes away the frame it was meant for: Chromium may never say that such a key arrived, so nobody waits. */
export function pressLast(page, key) {
    page.keyboard.press(key).catch(() => {});
}

const types = { '.js': 'text/javascript', '.mjs': 'text/javascript', '.html': 'text/html', '.map': 'application/json', '.css': 'text/css' };

/** An app's own web server: an empty page, the published packages under /npm/, our client under /sdk/. */
export class HostPage {
    static async start(headers = {}) {
        const page = new HostPage();
        const roots = { '/npm/': join(import.meta.dirname, '..', 'node_modules'), '/sdk/': join(import.meta.dirname, '..', '..', '..', 'sdk', 'typescript') };
        page.server = createServer(async (request, response) => {
            const { pathname } = new URL(request.url, 'http://x');
            const root = Object.keys(roots).find((prefix) => pathname.startsWith(prefix));
            try {
                if (!root) return response.writeHead(200, { 'content-type': 'text/html', ...headers }).end('<!doctype html><title>App</title><body><button id="go">Connect</button></body>');
                const file = join(roots[root], normalize(pathname.slice(root.length)));
                const type = types[file.slice(file.lastIndexOf('.'))] ?? 'application/octet-stream';
                return response.writeHead(200, { 'content-type': type }).end(await readFile(file));
            } catch {
                return response.writeHead(404).end();
            }
        });
        await new Promise((done) => page.server.listen(0, '127.0.0.1', done));
        page.url = `http://127.0.0.1:${page.server.address().port}/`;
        return page;
    }

    async stop() {
        this.server.closeAllConnections();
        await new Promise((done) => this.server.close(done));
    }
}
