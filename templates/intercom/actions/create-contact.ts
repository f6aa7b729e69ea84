import { createAction } from 'nango';
import * as z from 'zod';
import { Contact } from '../../models/contact.js';
import { HEADERS, type IntercomContact, toContact } from '../api.js';

const Input = z.object({
    role: z.enum(['user', 'lead']),
    email: z.email().optional(),
    /** Your own id of this person. */
    externalId: z.string().optional(),
    name: z.string().optional(),
    phone: z.string().optional()
});

const action = createAction({
    description: 'Creates a user or a lead',
    version: '1.0.0',
    input: Input,
    output: Contact,
    exec: async (nango, raw) => {
        const { data: input } = await nango.zodValidateInput({ zodSchema: Input, input: raw });
        if (input.role === 'user' && input.email === undefined && input.externalId === undefined) {
            throw new nango.ActionError({
                code: 'not_identified',
                message: 'a user needs an `email` or an `externalId`; a lead may go without'
            });
        }
        const { data } = await nango.post<IntercomContact>({
            endpoint: '/contacts',
            headers: HEADERS,
            data: {
                role: input.role,
                email: input.email,
                external_id: input.externalId,
                name: input.name,
                phone: input.phone
            },
            // Sent again, it could create a second lead.
            retries: 0
        });
        return toContact(data);
    }
});

export default action;
