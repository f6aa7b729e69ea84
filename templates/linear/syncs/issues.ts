import { createSync } from 'nango';
import * as z from 'zod';
import { Issue } from '../../models/issue.js';
import { graphql, ISSUE_FIELDS, type LinearIssue, toIssue } from '../api.js';

const QUERY = `query Issues($filter: IssueFilter, $after: String) {
    issues(first: 100, after: $after, filter: $filter, orderBy: updatedAt, includeArchived: true) {
        nodes { ${ISSUE_FIELDS} }
        pageInfo { hasNextPage endCursor }
    }
}`;

interface Page {
    issues: { nodes: LinearIssue[]; pageInfo: { hasNextPage: boolean; endCursor: string | null } };
}

const sync = createSync({
    description: 'Issues of the workspace, changed and binned ones since the last run',
    version: '1.0.0',
    frequency: 'every 5 minutes',
    autoStart: true,
    scopes: ['read'],
    models: { Issue },
    checkpoint: z.object({ since: z.string() }),
    exec: async (nango) => {
        const since = (await nango.getCheckpoint())?.since;
        const filter = since ? { updatedAt: { gte: since } } : {};
        let newest: string | undefined;
        let after: string | null = null;
        // Not `paginate`: a refusal has status 200 and no nodes, which would look like the end of the list.
        do {
            const { issues }: Page = await graphql<Page>(nango, QUERY, { filter, after }, 5);
            // Newest first, so the next run begins at the first one.
            newest ??= issues.nodes[0]?.updatedAt;
            const gone = issues.nodes.filter((issue) => issue.trashed);
            const kept = issues.nodes.filter((issue) => !issue.trashed);
            await nango.batchSave(kept.map(toIssue), 'Issue');
            await nango.batchDelete(gone.map(({ id }) => ({ id })), 'Issue');
            after = issues.pageInfo.hasNextPage ? issues.pageInfo.endCursor : null;
        } while (after);
        if (newest) {
            await nango.saveCheckpoint({ since: newest });
        }
    }
});

export default sync;
