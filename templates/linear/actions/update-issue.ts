import { createAction } from 'nango';
import * as z from 'zod';
import { Issue } from '../../models/issue.js';
import { graphql, ISSUE_FIELDS, type LinearIssue, toIssue } from '../api.js';

const Input = z.object({
    /** The id, or what people call it: `ENG-7`. */
    issue: z.string().min(1),
    title: z.string().trim().min(1).optional(),
    description: z.string().optional(),
    stateId: z.uuid().optional(),
    /** `null` takes the assignee away. */
    assigneeId: z.uuid().nullable().optional()
});

const MUTATION = `mutation Update($id: String!, $input: IssueUpdateInput!) {
    issueUpdate(id: $id, input: $input) { success issue { ${ISSUE_FIELDS} } }
}`;

const action = createAction({
    description: 'Changes title, description, state or assignee of an issue',
    version: '1.0.0',
    scopes: ['write'],
    input: Input,
    output: Issue,
    exec: async (nango, raw) => {
        const { data: input } = await nango.zodValidateInput({ zodSchema: Input, input: raw });
        const { issue: id, ...changes } = input;
        if (Object.keys(changes).length === 0) {
            throw new nango.ActionError({ code: 'nothing_to_change', message: 'give at least one field to change' });
        }
        const { issueUpdate } = await graphql<{ issueUpdate: { success: boolean; issue: LinearIssue | null } }>(
            nango,
            MUTATION,
            { id, input: changes },
            3
        );
        if (!issueUpdate.issue) {
            throw new nango.ActionError({ code: 'not_saved', message: `Linear did not change ${id}` });
        }
        return toIssue(issueUpdate.issue);
    }
});

export default action;
