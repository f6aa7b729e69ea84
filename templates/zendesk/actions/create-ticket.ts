import { createAction } from 'nango';
import * as z from 'zod';
import { Ticket } from '../../models/ticket.js';
import { toTicket, type ZendeskTicket } from '../api.js';

const Input = z.object({
    title: z.string().trim().min(1),
    description: z.string().trim().min(1),
    requester: z.object({ name: z.string().min(1), email: z.email() }).optional(),
    priority: z.enum(['low', 'normal', 'high', 'urgent']).optional(),
    tags: z.array(z.string()).optional(),
    /** The same key within two hours gives the same ticket instead of a second one. */
    idempotencyKey: z.string().optional()
});

const action = createAction({
    description: 'Opens a ticket',
    version: '1.0.0',
    scopes: ['tickets:write'],
    input: Input,
    output: Ticket,
    exec: async (nango, raw) => {
        const { data: input } = await nango.zodValidateInput({ zodSchema: Input, input: raw });
        const { data } = await nango.post<{ ticket: ZendeskTicket }>({
            endpoint: '/api/v2/tickets.json',
            data: {
                ticket: {
                    subject: input.title,
                    comment: { body: input.description },
                    requester: input.requester,
                    priority: input.priority,
                    tags: input.tags
                }
            },
            ...(input.idempotencyKey
                ? { headers: { 'Idempotency-Key': input.idempotencyKey }, retries: 3 }
                : { retries: 0 })
        });
        return toTicket(data.ticket);
    }
});

export default action;
