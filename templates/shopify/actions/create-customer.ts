import { createAction } from 'nango';
import * as z from 'zod';
import { Contact } from '../../models/contact.js';
import { CUSTOMER_FIELDS, graphql, refuseUserErrors, type ShopifyCustomer, toContact, type UserErrors } from '../api.js';

const Input = z.object({
    email: z.email(),
    firstName: z.string().optional(),
    lastName: z.string().optional(),
    /** With country code: `+442079460101`. */
    phone: z.e164().optional(),
    tags: z.array(z.string().min(1)).max(250).optional()
});

const MUTATION = `mutation Create($input: CustomerInput!) {
    customerCreate(input: $input) { customer { ${CUSTOMER_FIELDS} } userErrors { field message } }
}`;

interface Created {
    customerCreate: { customer: ShopifyCustomer | null; userErrors: UserErrors };
}

const action = createAction({
    description: 'Creates a customer; an email address or phone number can be taken only once',
    version: '1.0.0',
    scopes: ['write_customers'],
    input: Input,
    output: Contact,
    exec: async (nango, raw) => {
        const { data: input } = await nango.zodValidateInput({ zodSchema: Input, input: raw });
        const { customerCreate } = await graphql<Created>(nango, MUTATION, { input }, 0);
        refuseUserErrors(nango, customerCreate.userErrors);
        if (!customerCreate.customer) {
            throw new nango.ActionError({ code: 'not_saved', message: `Shopify did not create ${input.email}` });
        }
        return toContact(customerCreate.customer);
    }
});

export default action;
