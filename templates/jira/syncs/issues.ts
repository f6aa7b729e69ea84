import { createSync } from 'nango';
import * as z from 'zod';
import { Issue } from '../../models/issue.js';
import { FIELDS, findSite, isoTime, type JiraIssue, ProjectKey, toIssue } from '../api.js';

/** How far Jira's search index may lag behind. */
const OVERLAP_MINUTES = 5;

const Metadata = z.object({ project: ProjectKey });

const sync = createSync({
    description: 'Issues of a project, changed ones since the last run',
    version: '1.0.0',
    frequency: 'every 5 minutes',
    // A connection has to say which project first.
    autoStart: false,
    scopes: ['read:jira-work', 'offline_access'],
    models: { Issue },
    metadata: Metadata,
    checkpoint: z.object({ since: z.string() }),
    exec: async (nango) => {
        const metadata = Metadata.safeParse(await nango.getMetadata());
        if (!metadata.success) {
            throw new nango.ActionError({
                code: 'no_project',
                message: 'set `project` in the metadata of the connection, then start the sync'
            });
        }
        const since = (await nango.getCheckpoint())?.since;
        const site = await findSite(nango);
        let newest: string | undefined;
        for await (const page of nango.paginate<JiraIssue>({
            endpoint: `${site.api}/search/jql`,
            params: { jql: `project = "${metadata.data.project}"${changedSince(since)} ORDER BY updated DESC`, fields: FIELDS },
            paginate: {
                type: 'cursor',
                cursor_name_in_request: 'nextPageToken',
                cursor_path_in_response: 'nextPageToken',
                response_path: 'issues',
                limit_name_in_request: 'maxResults',
                limit: 100
            },
            retries: 5
        })) {
            newest ??= page[0] && isoTime(page[0].fields.updated);
            await nango.batchSave(
                page.map((issue) => toIssue(issue, site)),
                'Issue'
            );
        }
        if (newest) {
            await nango.saveCheckpoint({ since: newest });
        }
    }
});

/** In minutes from now: Jira reads a date in the time zone of the user, which we do not know. */
function changedSince(since: string | undefined): string {
    if (since === undefined) {
        return '';
    }
    const minutes = Math.ceil((Date.now() - Date.parse(since)) / 60_000) + OVERLAP_MINUTES;
    return ` AND updated >= "-${minutes}m"`;
}

export default sync;
