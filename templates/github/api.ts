import * as z from 'zod';
import { type Issue } from '../models/issue.js';

/** Headers of every request: the version of the API these functions were written for. */
export const HEADERS = { Accept: 'application/vnd.github+json', 'X-GitHub-Api-Version': '2022-11-28' };

/** Which repository; metadata of the sync, part of each action's input. */
export const Repository = z.object({ owner: z.string().min(1), repository: z.string().min(1) });

/** The parts of GitHub's issue that we read. */
export interface GithubIssue {
    id: number;
    number: number;
    title: string;
    body: string | null;
    state: 'open' | 'closed';
    assignee: { login: string } | null;
    labels: (string | { name?: string })[];
    html_url: string;
    created_at: string;
    updated_at: string;
    /** There if the issue is a pull request. */
    pull_request?: object;
}

export function issuesPath({ owner, repository }: z.infer<typeof Repository>): string {
    return `/repos/${encodeURIComponent(owner)}/${encodeURIComponent(repository)}/issues`;
}

export function toIssue(issue: GithubIssue): Issue {
    return {
        id: String(issue.id),
        key: `#${issue.number}`,
        title: issue.title,
        description: issue.body,
        status: issue.state === 'open' ? 'open' : 'done',
        assignee: issue.assignee?.login ?? null,
        labels: issue.labels.flatMap((label) => (typeof label === 'string' ? label : (label.name ?? []))),
        url: issue.html_url,
        createdAt: issue.created_at,
        updatedAt: issue.updated_at
    };
}
