// FAULTS 11: Postgres behind PgBouncer with transaction pooling, where a session lasts one transaction: nothing may rely
// on what an earlier statement left in its session.
import { spawn } from 'node:child_process';
import { mkdtemp, writeFile, chmod } from 'node:fs/promises';
import { connect } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { test } from 'node:test';
import { pausesWhileRunsEnd } from '../lib/pauses.mjs';
import { freePort, until } from '../lib/server.mjs';

const direct = process.env.TENON_TEST_POSTGRES_URL;

test('faults_11: twenty connections sync, pause and start through a transaction pooler', { skip: !direct && 'SQLite has no pooler' }, async () => {
    const pooler = await startPooler(new URL(direct));
    try {
        process.env.TENON_TEST_POSTGRES_URL = pooler.url;
        await pausesWhileRunsEnd(20, 3);
    } finally {
        pooler.process.kill('SIGKILL');
        await pooler.exited;
    }
});

/** PgBouncer with fewer server connections than the pool of a node has. */
async function startPooler(target) {
    const folder = await mkdtemp(join(tmpdir(), 'tenon-pooler-'));
    await chmod(folder, 0o777);
    const port = await freePort();
    const file = join(folder, 'pgbouncer.ini');
    await writeFile(
        file,
        `[databases]
* = host=${target.hostname} port=${target.port} user=${target.username}
[pgbouncer]
listen_addr = 127.0.0.1
listen_port = ${port}
unix_socket_dir =
auth_type = any
pool_mode = transaction
default_pool_size = 4
max_client_conn = 200
`,
    );
    const user = process.getuid() === 0 ? ['-u', 'postgres'] : [];
    const bouncer = spawn('pgbouncer', ['-q', ...user, file], { stdio: ['ignore', 'inherit', 'inherit'] });
    const exited = new Promise((done) => bouncer.on('exit', done));
    await until('the pooler to listen', () => answers(port));
    const url = new URL(target);
    url.host = `127.0.0.1:${port}`;
    return { process: bouncer, exited, url: url.href };
}

function answers(port) {
    return new Promise((done) => {
        const socket = connect(port, '127.0.0.1');
        socket.on('connect', () => {
            socket.destroy();
            done(true);
        });
        socket.on('error', () => done(false));
    });
}
