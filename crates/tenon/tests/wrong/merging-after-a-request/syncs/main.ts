import { createSync } from 'nango';
import { z } from 'zod';
const Item = z.object({ id: z.string(), name: z.string() });

export default createSync({
    description: 'Copies items',
    frequency: 'every hour',
    models: { Item },
    exec: async (nango) => {
        const response = await nango.get<{ id: string; name: string }[]>({ endpoint: '/items' });
        await nango.setMergingStrategy({ strategy: 'ignore_if_modified_after' }, 'Item'); //~ 15 `setMergingStrategy` comes after a request or a batch
        await nango.batchSave(response.data, 'Item');
    }
});
