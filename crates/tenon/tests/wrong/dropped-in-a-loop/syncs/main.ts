import { createSync } from 'nango';
import { z } from 'zod';
const Item = z.object({ id: z.string(), name: z.string() });

export default createSync({
    description: 'Copies items',
    frequency: 'every hour',
    models: { Item },
    exec: async (nango) => {
        const response = await nango.get<{ id: string; name: string }[]>({ endpoint: '/items' });
        response.data.forEach((item) => {
            nango.batchSave([item], 'Item'); //~ 13 nobody waits for `nango.batchSave(...)`
        });
    }
});
