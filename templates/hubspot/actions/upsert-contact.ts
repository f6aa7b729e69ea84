import { createAction } from 'nango';
import * as z from 'zod';
import { Contact } from '../../models/contact.js';
import { type HubspotObject, toContact } from '../api.js';

const Input = z.object({
    email: z.email(),
    firstName: z.string().optional(),
    lastName: z.string().optional(),
    phone: z.string().optional(),
    company: z.string().optional()
});

const action = createAction({
    description: 'Creates the contact with this email address, or updates it',
    version: '1.0.0',
    scopes: ['crm.objects.contacts.write'],
    input: Input,
    output: Contact,
    exec: async (nango, raw) => {
        const { data: input } = await nango.zodValidateInput({ zodSchema: Input, input: raw });
        const { data } = await nango.post<{ results: HubspotObject[] }>({
            endpoint: '/crm/v3/objects/contacts/batch/upsert',
            data: {
                inputs: [
                    {
                        id: input.email,
                        idProperty: 'email',
                        properties: {
                            email: input.email,
                            firstname: input.firstName,
                            lastname: input.lastName,
                            phone: input.phone,
                            company: input.company
                        }
                    }
                ]
            },
            retries: 3
        });
        const [contact] = data.results;
        if (!contact) {
            throw new nango.ActionError({ code: 'not_saved', message: `HubSpot did not save ${input.email}` });
        }
        return toContact(contact);
    }
});

export default action;
