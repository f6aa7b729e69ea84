import { createSync } from 'nango';
import { z } from 'zod';
const Item = z.object({ id: z.string(), name: z.string() });

export default createSync({
    description: 'Copies items',
    frequency: 'every hour',
    models: { Item },
    exec: async (nango) => {
        await nango.batchSave([{ id: '1', name: 'one' }], 'Item');
        await nango.trackDeletesEnd('Item'); //~ 15 `trackDeletesEnd` of model `Item` has no `trackDeletesStart`
    }
});
