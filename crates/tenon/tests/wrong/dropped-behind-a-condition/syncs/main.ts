import { createSync } from 'nango';
import { z } from 'zod';
const Item = z.object({ id: z.string(), name: z.string() });

export default createSync({
    description: 'Copies items',
    frequency: 'every hour',
    models: { Item },
    exec: async (nango) => {
        const { ready } = await nango.getMetadata<{ ready: boolean }>();
        ready && nango.log('ready'); //~ 18 nobody waits for `nango.log(...)`
    }
});
