import { createAction } from 'nango';
import * as z from 'zod';
import { Issue } from '../../models/issue.js';
import { type GithubIssue, HEADERS, issuesPath, Repository, toIssue } from '../api.js';

const Input = Repository.extend({
    number: z.number().int().positive(),
    title: z.string().trim().min(1).optional(),
    description: z.string().optional(),
    status: z.enum(['open', 'done', 'not_planned']).optional(),
    labels: z.array(z.string()).optional()
});

const STATE = {
    open: { state: 'open', state_reason: 'reopened' },
    done: { state: 'closed', state_reason: 'completed' },
    not_planned: { state: 'closed', state_reason: 'not_planned' }
};

const action = createAction({
    description: 'Changes title, description, labels or status of an issue',
    version: '1.0.0',
    scopes: ['repo'],
    input: Input,
    output: Issue,
    exec: async (nango, raw) => {
        const { data: input } = await nango.zodValidateInput({ zodSchema: Input, input: raw });
        const { number, title, description, status, labels } = input;
        if (title === undefined && description === undefined && status === undefined && labels === undefined) {
            throw new nango.ActionError({
                code: 'nothing_to_change',
                message: 'give at least one of title, description, status and labels'
            });
        }
        const { data } = await nango.patch<GithubIssue>({
            endpoint: `${issuesPath(input)}/${number}`,
            headers: HEADERS,
            data: { title, body: description, labels, ...(status ? STATE[status] : {}) },
            retries: 3
        });
        return toIssue(data);
    }
});

export default action;
