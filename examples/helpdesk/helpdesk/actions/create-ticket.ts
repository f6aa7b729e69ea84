import { createAction } from 'nango';
import * as z from 'zod';
import { type HelpdeskTicket, Ticket, toTicket } from '../models.js';

const action = createAction({
    description: 'Opens a ticket',
    version: '1.0.0',
    input: z.object({ title: z.string(), content: z.string() }),
    output: Ticket,
    exec: async (nango, input) => {
        if (input.title.trim() === '') {
            throw new nango.ActionError({ message: 'a ticket needs a title' });
        }
        const response = await nango.post<HelpdeskTicket>({
            endpoint: '/api/tickets',
            data: { subject: input.title, description: input.content },
            retries: 3
        });
        return toTicket(response.data);
    }
});

export default action;
