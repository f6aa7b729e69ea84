import { createAction } from 'nango';
import { z } from 'zod';
import { type BookshopOrder, Order, toOrder } from '../models.js';

const action = createAction({
    description: 'Orders books',
    version: '1.0.0',
    input: z.object({ customer: z.string(), titles: z.array(z.string()) }),
    output: Order,
    exec: async (nango, input) => {
        if (input.titles.length === 0) {
            throw new nango.ActionError({ message: 'an order needs at least one title' });
        }
        const response = await nango.post<BookshopOrder>({
            endpoint: '/v1/orders',
            data: { customer: { name: input.customer }, titles: input.titles }
        });
        return toOrder(response.data);
    }
});

export type NangoActionLocal = Parameters<(typeof action)['exec']>[0];
export default action;
