import { createSync } from 'nango';
import { z } from 'zod';
const Item = z.object({ id: z.string(), name: z.string() });

export default createSync({
    description: 'Copies items',
    frequency: 'every hour',
    models: { Item },
    exec: async (nango) => {
        const response = await nango.get<{ id: string; name: string }[]>({ endpoint: '/items' });
        nango.batchSave(response.data, 'Item'); //~ 9 nobody waits for `nango.batchSave(...)`
    }
});
