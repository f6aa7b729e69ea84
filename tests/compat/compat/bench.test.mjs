// The cases of the load harness that count what they did, small: refreshes one per expiry, and reads, lists and searches.
import assert from 'node:assert/strict';
import { spawnSync } from 'node:child_process';
import { dirname, join } from 'node:path';
import { test } from 'node:test';
import { binary } from '../lib/server.mjs';

function run(name) {
    const database = process.env.TENON_TEST_POSTGRES_URL;
    const small = ['--seconds', '1', '--rounds', '1', '--clients', '8', '--connections', '200'];
    const list = ['--binary', binary, ...small, ...(database ? ['--database-url', database] : ['--sqlite']), name];
    const ran = spawnSync(join(dirname(binary), 'tenon-bench'), list, { encoding: 'utf8', timeout: 100_000 });
    assert.equal(ran.status, 0, `${ran.stdout}${ran.stderr}`);
    return ran.stdout;
}

test('faults_31: the refresh storm of the load harness refreshes each connection once', () => {
    const told = run('refresh-storm');
    const each = told.match(/ refreshes\/s, 1 for each; /g) ?? [];
    assert.equal(each.length, process.env.TENON_TEST_POSTGRES_URL ? 6 : 3, told);
});

test('the load harness finds one connection among many', () => {
    const told = run('many-connections');
    assert.match(told, /SQLite: ratio \d/);
    assert.match(told, /search that none fits .* of 200/);
});
