// Certificates by OpenSSL, for the day of the test.
import { execFileSync } from 'node:child_process';
import { mkdtemp, readFile, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';

const openssl = (...words) => execFileSync('openssl', words, { stdio: ['ignore', 'pipe', 'pipe'] });
const KEY = ['-newkey', 'ec', '-pkeyopt', 'ec_paramgen_curve:P-256', '-nodes'];

/** Somebody who certifies: `issue` makes a certificate and its key, as PEM. */
export class Authority {
    static async start(name) {
        const authority = new Authority();
        authority.folder = await mkdtemp(join(tmpdir(), 'tenon-certificates-'));
        authority.file = join(authority.folder, 'ca.pem');
        authority.count = 0;
        openssl('req', '-x509', ...KEY, '-keyout', join(authority.folder, 'ca.key'), '-out', authority.file, '-subj', `/CN=${name}`, '-days', '2', '-addext', 'keyUsage=critical,keyCertSign');
        authority.certificate = await readFile(authority.file, 'utf8');
        return authority;
    }

    /** @param {{names?: string, use?: string, days?: number}} options */
    async issue(subject, { names = 'DNS:localhost,IP:127.0.0.1', use = 'serverAuth', days = 2 } = {}) {
        const file = (kind) => join(this.folder, `${this.count}.${kind}`);
        this.count += 1;
        await writeFile(file('ext'), `subjectAltName=${names}\nextendedKeyUsage=${use}\nbasicConstraints=CA:FALSE\n`);
        openssl('req', ...KEY, '-keyout', file('key'), '-out', file('csr'), '-subj', `/CN=${subject}`);
        openssl('x509', '-req', '-in', file('csr'), '-CA', this.file, '-CAkey', join(this.folder, 'ca.key'), '-CAcreateserial', '-out', file('pem'), '-days', String(days), '-extfile', file('ext'));
        return { cert: await readFile(file('pem'), 'utf8'), key: await readFile(file('key'), 'utf8') };
    }

    stop() {
        return rm(this.folder, { recursive: true, force: true });
    }
}
