import { createAction } from 'nango';
import * as z from 'zod';
import { API, SalesforceId } from '../api.js';

const Input = z.object({
    firstName: z.string().optional(),
    lastName: z.string().trim().min(1),
    email: z.email().optional(),
    phone: z.string().optional(),
    accountId: SalesforceId.optional()
});

const action = createAction({
    description: 'Creates a contact, in an account if there is one',
    version: '1.0.0',
    scopes: ['api', 'refresh_token'],
    input: Input,
    output: z.object({ id: z.string() }),
    exec: async (nango, raw) => {
        const { data: input } = await nango.zodValidateInput({ zodSchema: Input, input: raw });
        const { data } = await nango.post<{ id: string; success: boolean; errors: { message: string }[] }>({
            endpoint: `${API}/sobjects/Contact`,
            data: {
                FirstName: input.firstName,
                LastName: input.lastName,
                Email: input.email,
                Phone: input.phone,
                AccountId: input.accountId
            },
            // Sent again, it could create a second contact.
            retries: 0
        });
        if (!data.success) {
            const reasons = data.errors.map((error) => error.message).join('; ');
            throw new nango.ActionError({ code: 'not_saved', message: `Salesforce refused the contact: ${reasons}` });
        }
        return { id: data.id };
    }
});

export default action;
