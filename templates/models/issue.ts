import * as z from 'zod';

/** A piece of work in an issue tracker. */
export const Issue = z.object({
    id: z.string(),
    /** What people call it: `#12`, `ENG-7`. */
    key: z.string(),
    title: z.string(),
    description: z.string().nullable(),
    status: z.enum(['open', 'in_progress', 'done']),
    assignee: z.string().nullable(),
    labels: z.array(z.string()),
    url: z.string(),
    createdAt: z.string(),
    updatedAt: z.string()
});

export type Issue = z.infer<typeof Issue>;
