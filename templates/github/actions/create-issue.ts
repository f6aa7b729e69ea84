import { createAction } from 'nango';
import * as z from 'zod';
import { Issue } from '../../models/issue.js';
import { type GithubIssue, HEADERS, issuesPath, Repository, toIssue } from '../api.js';

const Input = Repository.extend({
    title: z.string().trim().min(1),
    description: z.string().optional(),
    labels: z.array(z.string()).optional(),
    assignees: z.array(z.string()).max(10).optional()
});

const action = createAction({
    description: 'Opens an issue',
    version: '1.0.0',
    scopes: ['repo'],
    input: Input,
    output: Issue,
    exec: async (nango, raw) => {
        const { data: input } = await nango.zodValidateInput({ zodSchema: Input, input: raw });
        const { data } = await nango.post<GithubIssue>({
            endpoint: issuesPath(input),
            headers: HEADERS,
            data: { title: input.title, body: input.description, labels: input.labels, assignees: input.assignees },
            // Sent again, it could open a second issue.
            retries: 0
        });
        return toIssue(data);
    }
});

export default action;
