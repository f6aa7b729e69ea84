// What no log may hold: secrets that tests seed, seen on their way, and everything that is marked as one (FAULTS 56).
import { readdir, readFile } from 'node:fs/promises';
import { join } from 'node:path';

/** Secrets of helpers carry this word, so that they are found wherever they turn up. */
export const MARK = 'canary';

/** Members of requests and answers whose text is a secret. */
const SECRET = /^(access_token|refresh_token|client_secret|token|token_secret|oauth_token|oauth_token_secret|api_?key|password|private_key|webhook_?secret|secret_key|webhook_signing_key|standard_webhooks_secret|hmac_key)$/i;

/** Shorter texts turn up by chance. */
const SHORTEST = 12;

/** Files of a data directory that are there to keep secrets. */
const KEEPERS = new Set(['dev.json', 'instance.key']);

const MARKED = new RegExp(`[\\w.~+/-]*${MARK}[\\w.~+/-]*`, 'gi');

/** Secrets of one server. */
export class Canaries {
    #known = new Set();

    /** Notes every secret in a JSON value. */
    note(value) {
        if (!value || typeof value !== 'object') return;
        for (const [name, member] of Object.entries(value)) {
            if (typeof member !== 'string') this.note(member);
            // The catalogue says where secrets stand: names and placeholders, not secrets.
            else if (SECRET.test(name) && member.length >= SHORTEST && !SECRET.test(member) && !member.includes('${')) this.#known.add(member);
        }
    }

    get size() {
        return this.#known.size;
    }

    /** Where a text holds a secret: the line around each, the secret itself cut. */
    found(text) {
        const places = [];
        const tell = (at, length) => {
            const start = Math.max(text.lastIndexOf('\n', at) + 1, at - 200);
            const end = Math.min((text.indexOf('\n', at) + 1 || text.length + 1) - 1, at + length + 200);
            places.push(`${text.slice(start, at)}${text.slice(at, at + 3)}…(${length})${text.slice(at + length, end)}`);
        };
        for (const secret of this.#known) {
            // As it is, and as it stands within JSON, a URL or a header.
            const written = new Set([secret, JSON.stringify(secret).slice(1, -1), encodeURIComponent(secret), Buffer.from(secret).toString('base64')]);
            for (const form of written) {
                const at = text.indexOf(form);
                if (at >= 0) tell(at, form.length);
            }
        }
        for (const match of text.matchAll(MARKED)) {
            if (!this.#known.has(match[0])) tell(match.index, match[0].length);
            if (places.length > 20) break;
        }
        return places.map((place) => place.replace(/[^\x20-\x7e…]/g, '.'));
    }

    /** Looks through what a process has said and the files of its data directory. */
    async search(output, dataDir) {
        const places = this.found(output).map((place) => `output: ${place}`);
        for (const entry of await readdir(dataDir, { withFileTypes: true }).catch(() => [])) {
            if (!entry.isFile() || KEEPERS.has(entry.name)) continue;
            const text = await readFile(join(dataDir, entry.name), 'latin1');
            places.push(...this.found(text).map((place) => `${entry.name}: ${place}`));
        }
        return places;
    }
}
