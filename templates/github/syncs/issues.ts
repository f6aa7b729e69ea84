import { createSync } from 'nango';
import * as z from 'zod';
import { Issue } from '../../models/issue.js';
import { type GithubIssue, HEADERS, issuesPath, Repository, toIssue } from '../api.js';

const sync = createSync({
    description: 'Issues of a repository, without pull requests',
    version: '1.0.0',
    frequency: 'every 5 minutes',
    // A connection has to say which repository first.
    autoStart: false,
    scopes: ['repo'],
    models: { Issue },
    metadata: Repository,
    checkpoint: z.object({ since: z.string() }),
    exec: async (nango) => {
        const metadata = Repository.safeParse(await nango.getMetadata());
        if (!metadata.success) {
            throw new nango.ActionError({
                code: 'no_repository',
                message: 'set `owner` and `repository` in the metadata of the connection, then start the sync'
            });
        }
        const since = (await nango.getCheckpoint())?.since;
        // Newest first: what changes while we read moves to pages already read, so nothing slips through between two
        // pages, and the next run begins at the newest that this one has seen.
        let newest: string | undefined;
        for await (const page of nango.paginate<GithubIssue>({
            endpoint: issuesPath(metadata.data),
            params: { state: 'all', sort: 'updated', direction: 'desc', ...(since ? { since } : {}) },
            headers: HEADERS,
            paginate: { limit: 100 },
            retries: 5
        })) {
            newest ??= page[0]?.updated_at;
            const issues = page.filter((issue) => issue.pull_request === undefined);
            await nango.batchSave(issues.map(toIssue), 'Issue');
        }
        if (newest) {
            await nango.saveCheckpoint({ since: newest });
        }
    }
});

export default sync;
