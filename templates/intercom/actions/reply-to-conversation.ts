import { createAction } from 'nango';
import * as z from 'zod';
import { Ticket } from '../../models/ticket.js';
import { HEADERS, type IntercomConversation, toTicket } from '../api.js';

const Input = z.object({
    conversationId: z.string().regex(/^\d+$/),
    /** The teammate in whose name it is written. */
    adminId: z.string().regex(/^\d+$/),
    body: z.string().trim().min(1),
    /** An internal note unless true. */
    public: z.boolean()
});

const action = createAction({
    description: 'Adds a reply or an internal note to a conversation',
    version: '1.0.0',
    input: Input,
    output: Ticket,
    exec: async (nango, raw) => {
        const { data: input } = await nango.zodValidateInput({ zodSchema: Input, input: raw });
        const { data } = await nango.post<IntercomConversation>({
            endpoint: `/conversations/${input.conversationId}/reply`,
            headers: HEADERS,
            data: {
                message_type: input.public ? 'comment' : 'note',
                type: 'admin',
                admin_id: input.adminId,
                body: input.body
            },
            // Sent again, the reply would stand there twice.
            retries: 0
        });
        return toTicket(data);
    }
});

export default action;
