import { createSync } from 'nango';
import { z } from 'zod';
const Item = z.object({ id: z.string(), name: z.string() });

export default createSync({
    description: 'Copies items',
    frequency: 'every hour',
    models: { Item },
    exec: async (nango) => {
        for await (const page of nango.paginate<{ id: string; name: string }>({ endpoint: '/items', retryOn: [404] })) { //~ 101 `retryOn` needs `retries`
            await nango.batchSave(page, 'Item');
        }
    }
});
