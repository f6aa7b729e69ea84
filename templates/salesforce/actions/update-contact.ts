import { createAction } from 'nango';
import * as z from 'zod';
import { API, SalesforceId } from '../api.js';

/** `null` empties a field, a field left out stays as it is. */
const Input = z.object({
    id: SalesforceId,
    firstName: z.string().nullable().optional(),
    lastName: z.string().trim().min(1).optional(),
    email: z.email().nullable().optional(),
    phone: z.string().nullable().optional()
});

const action = createAction({
    description: 'Changes fields of a contact',
    version: '1.0.0',
    scopes: ['api', 'refresh_token'],
    input: Input,
    output: z.object({ id: z.string() }),
    exec: async (nango, raw) => {
        const { data: input } = await nango.zodValidateInput({ zodSchema: Input, input: raw });
        const { id, firstName, lastName, email, phone } = input;
        if ([firstName, lastName, email, phone].every((field) => field === undefined)) {
            throw new nango.ActionError({ code: 'nothing_to_change', message: 'give at least one field to change' });
        }
        await nango.patch({
            endpoint: `${API}/sobjects/Contact/${id}`,
            data: { FirstName: firstName, LastName: lastName, Email: email, Phone: phone },
            retries: 3
        });
        return { id };
    }
});

export default action;
