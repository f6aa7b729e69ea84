import { createSync } from 'nango';
import * as z from 'zod';
import { Issue } from '../../models/issue.js';
import { type GitlabIssue, issuesPath, Project, toIssue } from '../api.js';

const sync = createSync({
    description: 'Issues of a project',
    version: '1.0.0',
    frequency: 'every 5 minutes',
    // A connection has to say which project first.
    autoStart: false,
    scopes: ['read_api'],
    models: { Issue },
    metadata: Project,
    checkpoint: z.object({ updatedAfter: z.string() }),
    exec: async (nango) => {
        const metadata = Project.safeParse(await nango.getMetadata());
        if (!metadata.success) {
            throw new nango.ActionError({
                code: 'no_project',
                message: 'set `project` in the metadata of the connection, then start the sync'
            });
        }
        const updatedAfter = (await nango.getCheckpoint())?.updatedAfter;
        // Newest first: what changes while we read moves to pages already read and is read again by the next run.
        let newest: string | undefined;
        for await (const page of nango.paginate<GitlabIssue>({
            endpoint: issuesPath(metadata.data),
            params: {
                scope: 'all',
                order_by: 'updated_at',
                sort: 'desc',
                ...(updatedAfter ? { updated_after: updatedAfter } : {})
            },
            paginate: {
                type: 'link',
                link_rel_in_response_header: 'next',
                limit_name_in_request: 'per_page',
                limit: 100
            },
            retries: 5
        })) {
            newest ??= page[0]?.updated_at;
            await nango.batchSave(page.map(toIssue), 'Issue');
        }
        if (newest) {
            await nango.saveCheckpoint({ updatedAfter: newest });
        }
    }
});

export default sync;
