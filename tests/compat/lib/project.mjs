// Deploys the example project and sets up what it needs.
import { execFile } from 'node:child_process';
import { writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { promisify } from 'node:util';
import { binary } from './server.mjs';

const run = promisify(execFile);

export const projectFolder = join(import.meta.dirname, '..', 'project');

/** A provider file in Nango's format that points `github` to an emulation. */
export async function githubProviderFile(folder, githubUrl) {
    const file = join(folder, 'providers.yaml');
    await writeFile(
        file,
        `github:
    display_name: GitHub (emulated)
    categories: [dev-tools]
    auth_mode: OAUTH2
    authorization_url: ${githubUrl}/login/oauth/authorize
    token_url: ${githubUrl}/login/oauth/access_token
    disable_pkce: true
    proxy:
        base_url: ${githubUrl}
        paginate:
            type: link
            limit_name_in_request: per_page
            link_rel_in_response_header: next
        retry:
            at: x-ratelimit-reset
    docs: https://example.test/docs
`,
    );
    return file;
}

/** `tenon deploy dev` in the example project. */
export async function tenonDeploy(server, args = [], folder = projectFolder) {
    const { stdout } = await run(binary, ['deploy', 'dev', '--auto-confirm', ...args], {
        cwd: folder,
        env: { ...process.env, NANGO_HOSTPORT: server.url, NANGO_SECRET_KEY_DEV: server.secretKey },
        timeout: 60_000,
    });
    return stdout;
}

/** Creates the integration of the emulated GitHub. */
export async function githubIntegration(server, github, uniqueKey = 'github') {
    await server.ok('POST', '/integrations', {
        provider: 'github',
        unique_key: uniqueKey,
        credentials: { type: 'OAUTH2', client_id: github.clientId, client_secret: github.clientSecret, scopes: 'repo' },
    });
}
