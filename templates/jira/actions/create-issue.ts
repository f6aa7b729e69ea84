import { createAction } from 'nango';
import * as z from 'zod';
import { Issue } from '../../models/issue.js';
import { FIELDS, findSite, type JiraIssue, ProjectKey, toDocument, toIssue } from '../api.js';

const Input = z.object({
    project: ProjectKey,
    /** Name of an issue type of the project: `Task`, `Bug`. */
    type: z.string().min(1),
    title: z.string().trim().min(1).max(255),
    description: z.string().optional(),
    labels: z.array(z.string().regex(/^\S+$/)).optional()
});

const action = createAction({
    description: 'Opens an issue in a project',
    version: '1.0.0',
    scopes: ['read:jira-work', 'write:jira-work', 'offline_access'],
    input: Input,
    output: Issue,
    exec: async (nango, raw) => {
        const { data: input } = await nango.zodValidateInput({ zodSchema: Input, input: raw });
        const site = await findSite(nango);
        const { data: created } = await nango.post<{ key: string }>({
            endpoint: `${site.api}/issue`,
            data: {
                fields: {
                    project: { key: input.project },
                    issuetype: { name: input.type },
                    summary: input.title,
                    description: input.description && toDocument(input.description),
                    labels: input.labels
                }
            },
            // Sent again, it could open a second issue.
            retries: 0
        });
        const { data } = await nango.get<JiraIssue>({
            endpoint: `${site.api}/issue/${created.key}`,
            params: { fields: FIELDS },
            retries: 3
        });
        return toIssue(data, site);
    }
});

export default action;
