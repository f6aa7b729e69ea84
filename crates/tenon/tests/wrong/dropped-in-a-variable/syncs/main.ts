import { createSync } from 'nango';
import { z } from 'zod';
const Item = z.object({ id: z.string(), name: z.string() });

export default createSync({
    description: 'Copies items',
    frequency: 'every hour',
    models: { Item },
    exec: async (nango) => {
        const saved = nango.batchSave([{ id: '1', name: 'one' }], 'Item'); //~ 23 nobody waits for `nango.batchSave(...)`
        await nango.log('saved');
    }
});
