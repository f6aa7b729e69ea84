// Records the fixtures of templates/ anew: `TENON_BINARY=… node record-templates.mjs [INTEGRATION…]`, in this folder.
//
// Counterparts are emulations by others where they offer what a function calls (`emulated` below); for the rest it is
// `tenon simulate` with the fixtures as they are. See templates/README.md, "How the fixtures were recorded".
import { execFile, spawn } from 'node:child_process';
import { cp, mkdtemp, readFile, readdir, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { basename, join } from 'node:path';
import { Counter } from './lib/counter.mjs';
import { emulated } from './lib/counterparts.mjs';
import { binary, freePort, Server, until } from './lib/server.mjs';

const templates = join(import.meta.dirname, '..', '..', 'templates');
const CONNECTION = 'recorded';

/** Settings of the connections, which the fixtures then say. */
const CONFIG = {
    jira: { cloudId: '1c9a5e60-58b2-4d53-9d0e-0a1b2c3d4e5f' },
    salesforce: { instance_url: 'https://acme.example.com' },
    shopify: { subdomain: 'acme' },
    zendesk: { subdomain: 'example' },
    oidc: {
        issuer: 'id.example.com/realms/acme',
        authorizationEndpoint: 'id.example.com/realms/acme/auth',
        tokenEndpoint: 'id.example.com/realms/acme/token',
    },
};

/** Where the recorded links lead that `tenon simulate` leads to itself. */
const ORIGINS = {
    gitlab: [['', 'https://gitlab.com']],
    jira: [['/ex/', 'https://api.atlassian.com/ex/'], ['', 'https://acme.example.com']],
    zendesk: [['', 'https://example.zendesk.com']],
};

/** Runs the binary; answers with what it prints. */
function tenon(...args) {
    return new Promise((resolve, reject) => {
        execFile(binary, args, { timeout: 60_000, maxBuffer: 1 << 26 }, (error, stdout, stderr) =>
            error ? reject(new Error(`tenon ${args.join(' ')}\n${stdout}${stderr}`)) : resolve({ stdout, stderr }));
    });
}

/** `tenon simulate`, from the fixtures as they lie in templates/. */
async function simulate(integration) {
    const url = `http://127.0.0.1:${await freePort()}`;
    const flags = ['simulate', integration, '--path', templates, '--port', new URL(url).port, '--strict'];
    const child = spawn(binary, flags, { stdio: 'ignore' });
    await until(`the simulator of ${integration}`, async () => (await fetch(`${url}/__simulator`)).ok);
    // Unchanged, but in chunks: of an answer with a length, the proxy passes on few headers, and `link` is not among them.
    const counter = await Counter.start({ target: url, pageSize: Infinity });
    const stop = async () => {
        await counter.stop();
        const ended = new Promise((done) => child.on('exit', done));
        child.kill('SIGINT');
        await ended;
    };
    return { url: counter.url, stop };
}

/** One dry run with `--save`: the fixture it wrote, and the checkpoint. Only what begins without a checkpoint has to replay. */
async function record(server, project, run, checkpoint) {
    const { integration, name, url, input, metadata } = run;
    const flags = ['dryrun', name, CONNECTION, '--integration-id', integration, '--path', project, '--url', server.url];
    flags.push('--base-url', url, '--json', '--save', '--no-interactive');
    if (checkpoint) flags.push('-c', JSON.stringify(checkpoint));
    if (input) flags.push('-i', JSON.stringify(input));
    if (metadata) flags.push('-m', JSON.stringify(metadata));
    process.env.NANGO_SECRET_KEY_DEV = server.secretKey;
    const { stdout, stderr } = await tenon(...flags);
    if (!checkpoint && stderr.includes('warning:')) throw new Error(`${integration}/${name}: ${stderr}`);
    const outcome = JSON.parse(stdout.slice(0, stdout.indexOf('\n}') + 2));
    const fixture = JSON.parse(await readFile(join(project, integration, 'tests', `${name}.test.json`), 'utf8'));
    return { fixture, checkpoint: outcome.checkpoint };
}

const list = (entries) => (Array.isArray(entries) ? entries : entries === undefined ? [] : [entries]);

/** What the next run asked, behind what the first one did: a replay needs the first, a simulator both. */
function addRequests(fixture, next) {
    for (const [method, paths] of Object.entries(next.api)) {
        for (const [path, entries] of Object.entries(paths)) {
            const place = ((fixture.api[method] ??= {})[path] = list(fixture.api[method][path]));
            place.push(...list(entries).filter(({ hash }) => !place.some((known) => known.hash === hash)));
            if (place.length === 1) [fixture.api[method][path]] = place;
        }
    }
}

/** Syncs whose next run names the time of day in its requests: no fixture can answer those. */
const NAMES_THE_TIME = ['hubspot/tickets', 'intercom/conversations', 'jira/issues'];

async function recordOne(server, project, run) {
    const where = `${run.integration}/${run.name}`;
    const { fixture, checkpoint } = await record(server, project, run);
    if (checkpoint && !NAMES_THE_TIME.includes(where)) {
        const next = await record(server, project, run, checkpoint).catch((error) => {
            console.log(`${where}: the next run is not recorded: ${error.message}`);
        });
        if (next) addRequests(fixture, next.fixture);
    }
    let text = `${JSON.stringify(fixture, undefined, 2)}\n`;
    for (const [from, to] of run.addresses) text = text.replaceAll(from, to);
    if (/127\.0\.0\.1|localhost/.test(text)) throw new Error(`${where} names an address of this machine`);
    await writeFile(join(templates, run.integration, 'tests', `${run.name}.test.json`), text);
    console.log(`${where}: ${run.counterpart}, ${text.length} bytes`);
}

/** Integration and connection, with the provider of the catalogue. */
async function connect(server, integration, token) {
    await server.ok('POST', '/connections', {
        provider_config_key: integration,
        connection_id: CONNECTION,
        credentials: { type: 'OAUTH2', access_token: token },
        ...(CONFIG[integration] && { connection_config: CONFIG[integration] }),
    });
}

/** Everything of an integration: with the emulation what it offers, with the simulator the rest. */
async function recordIntegration(server, project, integration) {
    const fixtures = (await readdir(join(templates, integration, 'tests'))).map((file) => basename(file, '.test.json'));
    const simulator = await simulate(integration);
    const emulation = await emulated[integration]?.();
    try {
        await server.ok('POST', '/integrations', {
            provider: integration,
            unique_key: integration,
            credentials: { type: 'OAUTH2', client_id: 'recorder', client_secret: 'recorder', scopes: '' },
        });
        await connect(server, integration, 'simulated');
        for (const name of fixtures) {
            const { input, nango } = JSON.parse(await readFile(join(templates, integration, 'tests', `${name}.test.json`), 'utf8'));
            const metadata = nango.getMetadata ?? undefined;
            const given = emulation?.runs[name];
            if (given?.token) await connect(server, integration, given.token);
            const back = (ORIGINS[integration] ?? []).map(([path, to]) => [simulator.url + path, to]);
            const run = given
                ? { metadata, ...given, counterpart: emulation.counterpart, addresses: emulation.addresses }
                : { input, metadata, url: simulator.url, counterpart: 'simulator', addresses: back };
            await recordOne(server, project, { integration, name, ...run });
        }
    } finally {
        await emulation?.stop();
        await simulator.stop();
    }
}

const wanted = process.argv.slice(2);
const folder = await mkdtemp(join(tmpdir(), 'tenon-record-'));
const project = join(folder, 'templates');
await cp(templates, project, { recursive: true });
const server = await Server.start({ flags: ['--providers', join(templates, 'oidc', 'provider.yaml')] });
let failed = 0;
for (const { name } of (await readdir(templates, { withFileTypes: true })).filter((entry) => entry.isDirectory())) {
    const has = await readdir(join(templates, name)).then((files) => files.includes('tests'));
    if (!has || (wanted.length && !wanted.includes(name))) continue;
    await recordIntegration(server, project, name).catch((error) => {
        failed += 1;
        console.log(`${name}: ${error.message}`);
    });
}
await server.stop();
await rm(folder, { recursive: true, force: true });
// An emulation that could not be filled may still be there.
process.exit(failed ? 1 : 0);
