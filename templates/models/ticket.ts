import * as z from 'zod';

/** A request of a customer that somebody answers, in whichever support tool it was made. */
export const Ticket = z.object({
    id: z.string(),
    title: z.string(),
    description: z.string().nullable(),
    /** `pending` waits for the requester, `closed` covers solved too. */
    status: z.enum(['open', 'pending', 'closed']),
    priority: z.enum(['low', 'normal', 'high', 'urgent']).nullable(),
    /** Id of a `Contact` of the same integration. */
    requesterId: z.string().nullable(),
    assigneeId: z.string().nullable(),
    tags: z.array(z.string()),
    createdAt: z.string(),
    updatedAt: z.string()
});

export type Ticket = z.infer<typeof Ticket>;
