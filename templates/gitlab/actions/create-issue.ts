import { createAction } from 'nango';
import * as z from 'zod';
import { Issue } from '../../models/issue.js';
import { type GitlabIssue, issuesPath, Project, toIssue } from '../api.js';

const Input = Project.extend({
    title: z.string().trim().min(1).max(255),
    description: z.string().optional(),
    labels: z.array(z.string().regex(/^[^,]+$/)).optional(),
    confidential: z.boolean().optional()
});

const action = createAction({
    description: 'Opens an issue',
    version: '1.0.0',
    scopes: ['api'],
    input: Input,
    output: Issue,
    exec: async (nango, raw) => {
        const { data: input } = await nango.zodValidateInput({ zodSchema: Input, input: raw });
        const { data } = await nango.post<GitlabIssue>({
            endpoint: issuesPath(input),
            data: {
                title: input.title,
                description: input.description,
                labels: input.labels?.join(','),
                confidential: input.confidential
            },
            // Sent again, it could open a second issue.
            retries: 0
        });
        return toIssue(data);
    }
});

export default action;
