import { createSync } from 'nango';
import { z } from 'zod';
const Item = z.object({ id: z.string(), name: z.string() });

export default createSync({
    description: 'Copies items',
    frequency: 'every hour',
    models: { Item },
    exec: async (nango) => {
        await nango.trackDeletesEnd('Item'); //~ 15 `trackDeletesEnd` of model `Item` comes before its `trackDeletesStart`
        await nango.batchSave([{ id: '1', name: 'one' }], 'Item');
        await nango.trackDeletesStart('Item');
    }
});
