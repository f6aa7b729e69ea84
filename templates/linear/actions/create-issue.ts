import { createAction } from 'nango';
import * as z from 'zod';
import { Issue } from '../../models/issue.js';
import { graphql, ISSUE_FIELDS, type LinearIssue, toIssue } from '../api.js';

const Input = z.object({
    teamId: z.uuid(),
    title: z.string().trim().min(1),
    description: z.string().optional(),
    assigneeId: z.uuid().optional(),
    labelIds: z.array(z.uuid()).optional()
});

const MUTATION = `mutation Create($input: IssueCreateInput!) {
    issueCreate(input: $input) { success issue { ${ISSUE_FIELDS} } }
}`;

const action = createAction({
    description: 'Opens an issue in a team',
    version: '1.0.0',
    scopes: ['issues:create'],
    input: Input,
    output: Issue,
    exec: async (nango, raw) => {
        const { data: input } = await nango.zodValidateInput({ zodSchema: Input, input: raw });
        // Sent again, it could open a second issue: no retries.
        const { issueCreate } = await graphql<{ issueCreate: { success: boolean; issue: LinearIssue | null } }>(
            nango,
            MUTATION,
            { input },
            0
        );
        if (!issueCreate.issue) {
            throw new nango.ActionError({ code: 'not_saved', message: 'Linear did not create the issue' });
        }
        return toIssue(issueCreate.issue);
    }
});

export default action;
