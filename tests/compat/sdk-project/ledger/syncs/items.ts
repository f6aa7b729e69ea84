import { createSync } from 'nango';
import * as z from 'zod';

const Item = z.object({ id: z.string(), value: z.number() });

const sync = createSync({
    description: 'Everything in the ledger',
    frequency: 'every day',
    autoStart: true,
    models: { Item },
    exec: async (nango) => {
        const response = await nango.get<{ items: z.infer<typeof Item>[] }>({ endpoint: '/items', params: { of: nango.connectionId }, retries: 0 });
        await nango.batchSave(response.data.items, 'Item');
    }
});

export default sync;
