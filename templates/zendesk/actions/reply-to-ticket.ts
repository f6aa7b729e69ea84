import { createAction } from 'nango';
import * as z from 'zod';
import { Ticket } from '../../models/ticket.js';
import { toTicket, type ZendeskTicket } from '../api.js';

const Input = z.object({
    ticketId: z.string().regex(/^\d+$/),
    body: z.string().trim().min(1),
    /** An internal note unless true. */
    public: z.boolean(),
    status: z.enum(['open', 'pending', 'solved']).optional()
});

const action = createAction({
    description: 'Adds a reply or an internal note to a ticket, and may change its status',
    version: '1.0.0',
    scopes: ['tickets:read', 'tickets:write'],
    input: Input,
    output: Ticket,
    exec: async (nango, raw) => {
        const { data: input } = await nango.zodValidateInput({ zodSchema: Input, input: raw });
        const endpoint = `/api/v2/tickets/${input.ticketId}.json`;
        const { data: before } = await nango.get<{ ticket: ZendeskTicket }>({ endpoint, retries: 3 });
        if (before.ticket.status === 'closed') {
            throw new nango.ActionError({
                code: 'ticket_closed',
                message: `ticket ${input.ticketId} is closed for good: open a follow-up instead`
            });
        }
        const { data } = await nango.put<{ ticket: ZendeskTicket }>({
            endpoint,
            data: { ticket: { comment: { body: input.body, public: input.public }, status: input.status } },
            // Sent again, the reply would stand there twice.
            retries: 0
        });
        return toTicket(data.ticket);
    }
});

export default action;
