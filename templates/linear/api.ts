import type { NangoAction } from 'nango';
import { type Issue } from '../models/issue.js';

/** The fields of an issue that we read. */
export const ISSUE_FIELDS = `id identifier title description url createdAt updatedAt trashed
    state { type } assignee { displayName } labels { nodes { name } }`;

export interface LinearIssue {
    id: string;
    identifier: string;
    title: string;
    description: string | null;
    url: string;
    createdAt: string;
    updatedAt: string;
    /** True if it is in the bin. */
    trashed: boolean | null;
    state: { type: string };
    assignee: { displayName: string } | null;
    labels: { nodes: { name: string }[] };
}

interface Answer<T> {
    data?: T | null;
    errors?: { message: string }[];
}

/** Runs a GraphQL document; what Linear refuses becomes an error with Linear's own words. */
export async function graphql<T>(
    nango: Pick<NangoAction, 'post' | 'ActionError'>,
    query: string,
    variables: object,
    retries: number
): Promise<T> {
    const answer = await nango.post<Answer<T>>({ endpoint: '/graphql', data: { query, variables }, retries }).then(
        ({ data }) => data,
        (error: { response?: { data?: Answer<T> } }) => {
            // What a query gets wrong has status 400 and says so in its body.
            const body = error.response?.data;
            if (!body?.errors) {
                throw error;
            }
            return body;
        }
    );
    if (answer.errors?.length || !answer.data) {
        const reasons = answer.errors?.map((error) => error.message).join('; ') ?? 'no data';
        throw new nango.ActionError({ code: 'refused', message: `Linear refused: ${reasons}` });
    }
    return answer.data;
}

const STATUS: Record<string, Issue['status']> = { started: 'in_progress', completed: 'done', canceled: 'done' };

export function toIssue(issue: LinearIssue): Issue {
    return {
        id: issue.id,
        key: issue.identifier,
        title: issue.title,
        description: issue.description,
        // Triage, backlog and unstarted are all open.
        status: STATUS[issue.state.type] ?? 'open',
        assignee: issue.assignee?.displayName ?? null,
        labels: issue.labels.nodes.map((label) => label.name),
        url: issue.url,
        createdAt: issue.createdAt,
        updatedAt: issue.updatedAt
    };
}
