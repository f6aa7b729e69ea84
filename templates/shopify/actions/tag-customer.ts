import { createAction } from 'nango';
import * as z from 'zod';
import { CustomerId, graphql, refuseUserErrors, type UserErrors } from '../api.js';

const Input = z.object({ customerId: CustomerId, tags: z.array(z.string().trim().min(1)).min(1).max(250) });

const MUTATION = `mutation Tag($id: ID!, $tags: [String!]!) {
    tagsAdd(id: $id, tags: $tags) { node { id ... on Customer { tags } } userErrors { field message } }
}`;

interface Tagged {
    tagsAdd: { node: { id: string; tags: string[] } | null; userErrors: UserErrors };
}

const action = createAction({
    description: 'Adds tags to a customer; tags that are there stay',
    version: '1.0.0',
    scopes: ['write_customers'],
    input: Input,
    output: z.object({ id: z.string(), tags: z.array(z.string()) }),
    exec: async (nango, raw) => {
        const { data: input } = await nango.zodValidateInput({ zodSchema: Input, input: raw });
        const { tagsAdd } = await graphql<Tagged>(nango, MUTATION, { id: input.customerId, tags: input.tags }, 3);
        refuseUserErrors(nango, tagsAdd.userErrors);
        if (!tagsAdd.node) {
            throw new nango.ActionError({ code: 'unknown_customer', message: `there is no ${input.customerId}` });
        }
        return tagsAdd.node;
    }
});

export default action;
