import * as z from 'zod';

/** A ticket the way your product wants it, whatever the helpdesk calls its fields. */
export const Ticket = z.object({
    id: z.string(),
    title: z.string(),
    content: z.string(),
    status: z.enum(['open', 'closed']),
    requester: z.string(),
    updatedAt: z.string()
});

export type Ticket = z.infer<typeof Ticket>;

/** What the helpdesk's API returns. */
export interface HelpdeskTicket {
    id: number;
    subject: string;
    description: string;
    state: 'open' | 'closed';
    requester_email: string;
    updated_at: string;
}

export function toTicket(ticket: HelpdeskTicket): Ticket {
    return {
        id: String(ticket.id),
        title: ticket.subject,
        content: ticket.description,
        status: ticket.state,
        requester: ticket.requester_email,
        updatedAt: ticket.updated_at
    };
}
