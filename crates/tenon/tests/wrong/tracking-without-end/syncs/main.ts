import { createSync } from 'nango';
import { z } from 'zod';
const Item = z.object({ id: z.string(), name: z.string() });

export default createSync({
    description: 'Copies items',
    frequency: 'every hour',
    models: { Item },
    exec: async (nango) => {
        await nango.trackDeletesStart('Item'); //~ 15 `trackDeletesStart` of model `Item` has no `trackDeletesEnd`
        await nango.batchSave([{ id: '1', name: 'one' }], 'Item');
    }
});
