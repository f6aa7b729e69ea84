import { createAction } from 'nango';
import * as z from 'zod';
import { Issue } from '../../models/issue.js';
import { FIELDS, findSite, IssueKey, type JiraIssue, toIssue } from '../api.js';

const Input = z.object({
    key: IssueKey,
    /** Name of the status to go to, in any case: `In progress`. */
    status: z.string().trim().min(1)
});

const action = createAction({
    description: 'Moves an issue to another status, if its workflow allows that',
    version: '1.0.0',
    scopes: ['read:jira-work', 'write:jira-work', 'offline_access'],
    input: Input,
    output: Issue,
    exec: async (nango, raw) => {
        const { data: input } = await nango.zodValidateInput({ zodSchema: Input, input: raw });
        const site = await findSite(nango);
        const endpoint = `${site.api}/issue/${input.key}`;
        const { data: workflow } = await nango.get<{ transitions: { id: string; to: { name: string } }[] }>({
            endpoint: `${endpoint}/transitions`,
            retries: 3
        });
        const wanted = input.status.toLowerCase();
        const transition = workflow.transitions.find(({ to }) => to.name.toLowerCase() === wanted);
        if (!transition) {
            const possible = workflow.transitions.map(({ to }) => to.name).join(', ') || 'nowhere';
            throw new nango.ActionError({
                code: 'no_such_transition',
                message: `${input.key} cannot go to ${input.status} from where it is, but to: ${possible}`
            });
        }
        await nango.post({
            endpoint: `${endpoint}/transitions`,
            data: { transition: { id: transition.id } },
            // Sent again, it could be a transition that is not there any more.
            retries: 0
        });
        const { data } = await nango.get<JiraIssue>({ endpoint, params: { fields: FIELDS }, retries: 3 });
        return toIssue(data, site);
    }
});

export default action;
