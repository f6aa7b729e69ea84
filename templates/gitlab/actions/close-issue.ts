import { createAction } from 'nango';
import * as z from 'zod';
import { Issue } from '../../models/issue.js';
import { type GitlabIssue, issuesPath, Project, toIssue } from '../api.js';

const Input = Project.extend({
    /** The number people see, not the id. */
    number: z.number().int().positive(),
    comment: z.string().trim().min(1).optional()
});

const action = createAction({
    description: 'Closes an issue, with a last comment if there is one',
    version: '1.0.0',
    scopes: ['api'],
    input: Input,
    output: Issue,
    exec: async (nango, raw) => {
        const { data: input } = await nango.zodValidateInput({ zodSchema: Input, input: raw });
        const endpoint = `${issuesPath(input)}/${input.number}`;
        const { data: before } = await nango.get<GitlabIssue>({ endpoint, retries: 3 });
        if (before.state === 'closed') {
            throw new nango.ActionError({
                code: 'already_closed',
                message: `issue #${input.number} is closed already; no comment was written`
            });
        }
        if (input.comment) {
            await nango.post({ endpoint: `${endpoint}/notes`, data: { body: input.comment }, retries: 0 });
        }
        const { data } = await nango.put<GitlabIssue>({ endpoint, data: { state_event: 'close' }, retries: 3 });
        return toIssue(data);
    }
});

export default action;
