import * as z from 'zod';
import { type Issue } from '../models/issue.js';

/** Which project: its id or its path; metadata of the sync, part of each action's input. */
export const Project = z.object({ project: z.string().min(1) });

/** The parts of GitLab's issue that we read. */
export interface GitlabIssue {
    id: number;
    iid: number;
    title: string;
    description: string | null;
    state: 'opened' | 'closed';
    assignees: { username: string }[];
    labels: string[];
    web_url: string;
    created_at: string;
    updated_at: string;
}

export function issuesPath({ project }: z.infer<typeof Project>): string {
    return `/api/v4/projects/${encodeURIComponent(project)}/issues`;
}

export function toIssue(issue: GitlabIssue): Issue {
    return {
        id: String(issue.id),
        key: `#${issue.iid}`,
        title: issue.title,
        description: issue.description,
        status: issue.state === 'opened' ? 'open' : 'done',
        assignee: issue.assignees[0]?.username ?? null,
        labels: issue.labels,
        url: issue.web_url,
        createdAt: issue.created_at,
        updatedAt: issue.updated_at
    };
}
