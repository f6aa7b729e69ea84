import { createSync } from 'nango';
import * as z from 'zod';

const Item = z.object({ id: z.string(), value: z.number(), note: z.string() });

const sync = createSync({
    description: 'Everything in the ledger, with deletions',
    frequency: 'every day',
    autoStart: true,
    models: { Item },
    exec: async (nango) => {
        await nango.trackDeletesStart('Item');
        const pages = nango.paginate<z.infer<typeof Item>>({
            endpoint: '/items',
            paginate: { type: 'offset', offset_name_in_request: 'offset', limit_name_in_request: 'limit', limit: 100, response_path: 'items' },
            retries: 3
        });
        for await (const page of pages) {
            await nango.batchSave(page, 'Item');
        }
        await nango.trackDeletesEnd('Item');
    }
});

export default sync;
