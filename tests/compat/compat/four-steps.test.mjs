// The main job with the published Node client: data flows in by itself, the app is told what changed, reads it, writes back.
import assert from 'node:assert/strict';
import { mkdtemp } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { after, before, test } from 'node:test';
import { Nango } from '@nangohq/node';
import { Webhook } from 'standardwebhooks';
import { GitHub } from '../lib/emulate.mjs';
import { githubIntegration, githubProviderFile, tenonDeploy } from '../lib/project.mjs';
import { Receiver } from '../lib/receiver.mjs';
import { Server, until } from '../lib/server.mjs';

let github, receiver, server, nango;

before(async () => {
    github = await GitHub.start('http://localhost/oauth/callback');
    await github.createIssues(245);
    receiver = await Receiver.start();
    const folder = await mkdtemp(join(tmpdir(), 'tenon-providers-'));
    server = await Server.start({ flags: ['--providers', await githubProviderFile(folder, github.url)] });
    await server.ok('PATCH', '/environment', { webhook_settings: { primary_url: receiver.url } });
    await githubIntegration(server, github);
    await tenonDeploy(server);
    nango = new Nango({ secretKey: server.secretKey, host: server.url });
});

after(async () => {
    await server?.stop();
    await receiver?.stop();
    await github?.stop();
});

const of = (connectionId) => receiver.of('sync').filter((hook) => hook.json.connectionId === connectionId);

async function allRecords(connectionId, options = {}) {
    const list = [];
    let cursor = null;
    do {
        const page = await nango.listRecords({ providerConfigKey: 'github', connectionId, model: 'Issue', limit: 100, ...options, cursor });
        list.push(...page.records);
        cursor = page.next_cursor;
    } while (cursor);
    return list;
}

async function connect(connectionId, metadata) {
    await server.ok('POST', '/connections', {
        provider_config_key: 'github',
        connection_id: connectionId,
        credentials: { type: 'OAUTH2', access_token: github.token },
        ...(metadata ? { metadata } : {}),
    });
}

test('a connection with the repository in its metadata: 245 issues arrive, are announced, are read', async () => {
    await connect('by-metadata', { repository: 'octocat/hello' });
    const [hook] = await until('the sync webhook', () => of('by-metadata').length > 0 && of('by-metadata'));
    assert.deepEqual(hook.json.responseResults, { added: 245, updated: 0, deleted: 0 });
    assert.equal(hook.json.model, 'Issue');
    assert.equal(hook.json.syncName, 'issues');
    assert.equal(hook.json.syncType, 'INITIAL');

    const records = await allRecords('by-metadata');
    assert.equal(records.length, 245);
    assert.equal(new Set(records.map((record) => record.title)).size, 245);
    assert.equal(records[0]._nango_metadata.last_action, 'ADDED');
    assert.equal((await allRecords('by-metadata', { modifiedAfter: hook.json.modifiedAfter })).length, 245);
});

test('the webhook verifies with the published client and with a Standard Webhooks library', async () => {
    const [hook] = of('by-metadata');
    const environment = (await server.ok('GET', '/environment')).data;
    const client = new Nango({ secretKey: server.secretKey, host: server.url, webhookSigningKey: environment.webhook_signing_key });
    assert.equal(client.verifyIncomingWebhookRequest(hook.body, hook.headers), true);
    assert.equal(client.verifyIncomingWebhookRequest(hook.body.replace('245', '246'), hook.headers), false);
    const standard = new Webhook(environment.standard_webhooks_secret);
    assert.deepEqual(standard.verify(hook.body, hook.headers), hook.json);
});

test('a repository that the function finds itself', async () => {
    await connect('by-itself');
    const [hook] = await until('the sync webhook', () => of('by-itself').length > 0 && of('by-itself'));
    assert.deepEqual(hook.json.responseResults, { added: 245, updated: 0, deleted: 0 });
    assert.equal((await allRecords('by-itself')).length, 245);
});

test('exactly what changed at the source is announced', async () => {
    const status = async () => (await nango.syncStatus('github', ['issues'], 'by-metadata')).syncs[0];
    const { finishedAt } = await status();
    await nango.triggerSync('github', ['issues'], 'by-metadata');
    await until('the unchanged run', async () => {
        const now = await status();
        return now.status === 'SUCCESS' && now.finishedAt !== finishedAt;
    });
    assert.equal(of('by-metadata').length, 1, 'nothing changed, nothing is said');

    await github.api('PATCH', '/repos/octocat/hello/issues/7', { title: 'Changed at the source' });
    await github.api('POST', '/repos/octocat/hello/issues', { title: 'Added at the source' });
    await nango.triggerSync('github', ['issues'], 'by-metadata');
    await until('the second webhook', () => of('by-metadata').length > 1);
    const hook = of('by-metadata')[1];
    assert.deepEqual(hook.json.responseResults, { added: 1, updated: 1, deleted: 0 });
    assert.equal(hook.json.syncType, 'INCREMENTAL');

    const changed = await allRecords('by-metadata', { modifiedAfter: hook.json.modifiedAfter });
    assert.deepEqual(changed.map((record) => [record.title, record._nango_metadata.last_action]).sort(), [
        ['Added at the source', 'ADDED'],
        ['Changed at the source', 'UPDATED'],
    ]);
});

test('an action writes back and answers at once', async () => {
    const result = await nango.triggerAction('github', 'by-metadata', 'create-issue', { repository: 'octocat/hello', title: 'Written back' });
    assert.equal(result.title, 'Written back');
    const there = await github.api('GET', `/repos/octocat/hello/issues/${result.number}`);
    assert.equal(there.title, 'Written back');
});

test('an action with wrong input says so', async () => {
    await assert.rejects(nango.triggerAction('github', 'by-metadata', 'create-issue', { title: 1 }), (error) => {
        assert.equal(error.response.status, 500);
        assert.equal(error.response.data.error.code, 'action_script_runtime_error');
        return true;
    });
});

test('an asynchronous action leaves its result to fetch', async () => {
    const { id, statusUrl } = await nango.triggerActionAsync('github', 'by-metadata', 'create-issue', { repository: 'octocat/hello', title: 'Later' });
    assert.equal(statusUrl, `/action/${id}`);
    const result = await until('the result', async () => nango.getAsyncActionResult({ id }).catch(() => undefined));
    assert.equal(result.title, 'Later');
    await until('the async_action webhook', () => receiver.of('async_action').some((hook) => hook.json.payload.id === id));
});

test('the proxy passes a page of the provider through', async () => {
    const response = await nango.get({ endpoint: '/repos/octocat/hello/issues', providerConfigKey: 'github', connectionId: 'by-metadata', params: { per_page: '3' } });
    assert.equal(response.status, 200);
    assert.equal(response.data.length, 3);
});

test('a paused sync does not start by itself, a started one does', async () => {
    await nango.pauseSync('github', ['issues'], 'by-itself');
    const paused = await nango.syncStatus('github', ['issues'], 'by-itself');
    assert.equal(paused.syncs[0].status, 'PAUSED');
    await nango.startSync('github', ['issues'], 'by-itself');
    const started = await nango.syncStatus('github', ['issues'], 'by-itself');
    assert.notEqual(started.syncs[0].status, 'PAUSED');
    assert.deepEqual(await nango.updateSyncConnectionFrequency('github', 'issues', 'by-itself', 'every 2 hours'), { frequency: '2 hours' });
});
