import { createAction } from 'nango';
import * as z from 'zod';
import { ticket, toTicket } from '../models.js';

export default createAction({
    description: 'Creates a ticket',
    input: z.object({ title: z.string(), content: z.string() }),
    output: ticket,
    exec: async (nango, input) => {
        const response = await nango.post<{ ticket: { id: number; subject: string; description: string } }>({
            endpoint: '/api/tickets',
            data: { ticket: { subject: input.title, description: input.content } }
        });
        return toTicket(response.data.ticket);
    }
});
