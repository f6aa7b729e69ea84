// FAULTS 18: instance and data keys are rotated under traffic, the process is killed in between. Callers see no failure but
// the connection that the kill itself cuts; at the end nothing stands under an old key.
import assert from 'node:assert/strict';
import { createServer } from 'node:http';
import { readFile, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { after, before, test } from 'node:test';
import { Server, until } from '../lib/server.mjs';

const CONNECTIONS = 2_000;
const READERS = 4;
const KILLS = 3;

let providers, server, upstream;

before(async () => {
    upstream = createServer((request, response) => response.writeHead(200, { 'content-type': 'application/json' }).end(JSON.stringify({ key: request.headers['x-api-key'] })));
    await new Promise((done) => upstream.listen(0, '127.0.0.1', done));
    providers = join(tmpdir(), `tenon-rotation-${process.pid}.yaml`);
    const proxy = { base_url: `http://127.0.0.1:${upstream.address().port}`, headers: { 'x-api-key': '${apiKey}' } };
    const credentials = { apiKey: { type: 'string', title: 'Key', description: 'The key' } };
    await writeFile(providers, JSON.stringify({ keyed: { display_name: 'Keyed', categories: ['other'], auth_mode: 'API_KEY', proxy, credentials, docs: 'https://example.test' } }));
    server = await Server.start({ flags: ['--providers', providers] });
    await server.ok('POST', '/integrations', { unique_key: 'keyed', provider: 'keyed' });
    const numbers = Array.from({ length: CONNECTIONS }, (_, number) => number);
    while (numbers.length > 0) {
        const some = numbers.splice(0, 50);
        await Promise.all(some.map((number) => server.ok('POST', '/connections', { provider_config_key: 'keyed', connection_id: `c${number}`, credentials: { type: 'API_KEY', apiKey: `key-${number}` } })));
    }
});

after(async () => {
    await server?.stop();
    upstream?.closeAllConnections();
    upstream?.close();
    if (providers) await rm(providers, { force: true });
});

/** Readers that never rest; what goes wrong while no kill is under way is a failure. */
function traffic() {
    const state = { good: 0, cut: 0, failures: [], paused: false, stopped: false };
    const one = async (number) => {
        const through = number % 2 === 0;
        const path = through ? '/proxy/whoami' : `/connections/c${number}?provider_config_key=keyed`;
        const headers = through ? { 'connection-id': `c${number}`, 'provider-config-key': 'keyed' } : {};
        const answer = await server.api('GET', path, undefined, headers);
        const seen = through ? answer.json?.key : answer.json?.credentials?.apiKey;
        if (answer.status !== 200 || seen !== `key-${number}`) throw new Error(`${path}: ${answer.status} ${answer.text.slice(0, 200)}`);
    };
    state.loops = Array.from({ length: READERS }, async () => {
        while (!state.stopped) {
            const killing = state.paused;
            try {
                await one(Math.floor(Math.random() * CONNECTIONS));
                state.good++;
            } catch (error) {
                // Nobody answers while there is no process: that is the kill, not the rotation. An answer always counts.
                if (killing || state.paused) state.cut++;
                else state.failures.push(error.message);
                if (/: [45]\d\d /.test(error.message)) state.failures.push(error.message);
                await new Promise((done) => setTimeout(done, 5));
            }
        }
    });
    return state;
}

const keys = async () => (await server.ok('GET', '/keys?count=true')).data;

test(`faults_18: both kinds of keys rotate under traffic, killed ${KILLS} times`, { timeout: 5 * 60_000 }, async (t) => {
    const before = await keys();
    const environment = (report) => report.environments.find((one) => one.name === 'dev').keys;
    assert.equal(environment(before).length, 1);
    assert.ok(environment(before)[0].rows >= CONNECTIONS);
    const running = traffic();
    await until('some answers', () => running.good > 50);
    await server.ok('POST', '/keys/rotate', { all: true });
    let halfway = 0;
    for (let kill = 0; kill < KILLS; kill++) {
        const { moved } = (await keys()).rotations.find((one) => one.environment === 'dev');
        await until('it to get on', async () => {
            const rotation = (await keys()).rotations.find((one) => one.environment === 'dev');
            return rotation.moved > moved + 100 || rotation.state === 'done';
        }, 60_000);
        const report = await keys();
        if (environment(report).every((key) => key.rows > 0)) halfway++;
        running.paused = true;
        await server.kill();
        await server.launch();
        running.paused = false;
        const good = running.good;
        await until('answers again', () => running.good > good + 20);
    }
    await until('the rotations to end', async () => (await keys()).rotations.every((one) => one.state === 'done'), 120_000);
    const good = running.good;
    await until('answers under the new keys', () => running.good > good + 50);
    running.stopped = true;
    await Promise.all(running.loops);
    assert.deepEqual(running.failures, []);
    assert.ok(running.good > 200, `${running.good} answers`);
    assert.ok(halfway > 0, 'no kill met a rotation half-way');

    const report = await keys();
    for (const { name, keys: list } of report.environments) {
        const [old, current] = list;
        assert.equal(old.rows, 0, `${name}: rows on the old key`);
        assert.equal(current.current, true);
        assert.ok(current.rows > 0, name);
    }
    const instance = report.instance.map((key) => [key.current, key.rows > 0]);
    assert.deepEqual(instance, [[true, true], [false, false]]);
    assert.ok(report.rotations.every((one) => one.unreadable === 0));
    const file = await readFile(join(server.dataDir, 'instance.key'), 'utf8');
    assert.equal(file.split('\n').filter((line) => line && !line.startsWith('#')).length, 2, 'the old key stays for backups');
    await server.kill();
    await server.launch();
    assert.equal((await server.ok('GET', '/connections/c7?provider_config_key=keyed')).credentials.apiKey, 'key-7');
    t.diagnostic(`${running.good} good answers, ${running.cut} cut by ${KILLS} kills, ${halfway} of them half-way`);
});
