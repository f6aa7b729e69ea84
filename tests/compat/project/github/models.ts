import * as z from 'zod';

export const Issue = z.object({
    id: z.string(),
    repository: z.string(),
    number: z.number(),
    title: z.string(),
    state: z.string(),
    author: z.string().nullable()
});

export type Issue = z.infer<typeof Issue>;

interface GitHubIssue {
    id: number;
    number: number;
    title: string;
    state: string;
    user?: { login: string } | null;
}

/** What GitHub answers, in the schema of the app. */
export function toIssue(repository: string, issue: GitHubIssue): Issue {
    return {
        id: String(issue.id),
        repository,
        number: issue.number,
        title: issue.title,
        state: issue.state,
        author: issue.user?.login ?? null
    };
}
