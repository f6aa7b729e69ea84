import { createSync } from 'nango';
import { z } from 'zod';
const Item = z.object({ id: z.string(), name: z.string() });

export default createSync({
    description: 'Copies items',
    frequency: 'every hour',
    models: { Item },
    exec: async (nango) => {
        await nango.trackDeletesStart('Item');
        await nango.batchSave([{ id: '1', name: 'one' }], 'Item');
        await nango.trackDeletesStart('Item'); //~ 15 `trackDeletesStart` is called more than once for model `Item`
        await nango.trackDeletesEnd('Item');
    }
});
