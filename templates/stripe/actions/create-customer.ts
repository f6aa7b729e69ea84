import { createAction } from 'nango';
import * as z from 'zod';
import { Contact } from '../../models/contact.js';
import { form, type StripeCustomer, toContact, writeHeaders } from '../api.js';

const Input = z.object({
    email: z.email(),
    name: z.string().optional(),
    phone: z.string().optional(),
    /** Your own id of this customer, kept in its metadata. */
    externalId: z.string().max(500).optional(),
    /** The same key within a day gives the same customer instead of a second one. */
    idempotencyKey: z.string().min(1).max(255)
});

const action = createAction({
    description: 'Creates a customer, once for each idempotency key',
    version: '1.0.0',
    scopes: ['read_write'],
    input: Input,
    output: Contact,
    exec: async (nango, raw) => {
        const { data: input } = await nango.zodValidateInput({ zodSchema: Input, input: raw });
        const { data } = await nango.post<StripeCustomer>({
            endpoint: '/v1/customers',
            headers: writeHeaders(input.idempotencyKey),
            data: form({
                email: input.email,
                name: input.name,
                phone: input.phone,
                'metadata[external_id]': input.externalId
            }),
            retries: 3
        });
        return toContact(data);
    }
});

export default action;
