import { createSync } from 'nango';
import { type BookshopOrder, Order, toOrder } from '../models.js';

const sync = createSync({
    description: 'Keeps a copy of all orders',
    version: '1.0.0',
    frequency: 'every hour',
    autoStart: true,
    models: { Order },
    exec: async (nango) => {
        // What is not saved between start and end was deleted at the bookshop.
        await nango.trackDeletesStart('Order');
        for await (const page of nango.paginate<BookshopOrder>({
            endpoint: '/v1/orders',
            paginate: {
                type: 'cursor',
                cursor_name_in_request: 'after',
                cursor_path_in_response: 'next',
                response_path: 'orders'
            },
            retries: 3
        })) {
            await nango.batchSave(page.map(toOrder), 'Order');
        }
        await nango.trackDeletesEnd('Order');
    }
});

export type NangoSyncLocal = Parameters<(typeof sync)['exec']>[0];
export default sync;
