import { createSync } from 'nango';
import { z } from 'zod';
const Item = z.object({ id: z.string(), name: z.string() });

export default createSync({
    description: 'Copies items',
    frequency: 'every hour',
    models: { Item },
    exec: async (nango) => {
        const items = await nango.paginate({ endpoint: '/items' }); //~ 29 `nango.paginate(...)` is no promise but many pages
        await nango.batchSave(items as any, 'Item');
    }
});
