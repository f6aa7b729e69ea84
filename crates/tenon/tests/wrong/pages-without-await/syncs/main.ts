import { createSync } from 'nango';
import { z } from 'zod';
const Item = z.object({ id: z.string(), name: z.string() });

export default createSync({
    description: 'Copies items',
    frequency: 'every hour',
    models: { Item },
    exec: async (nango) => {
        for (const page of nango.paginate({ endpoint: '/items' })) { //~ 28 `nango.paginate(...)` needs `for await`
            await nango.batchSave(page, 'Item');
        }
    }
});
