import { createSync } from 'nango';
import { z } from 'zod';

const Item = z.object({ id: z.string() });

export default createSync({
    description: 'Copies items',
    frequency: 'every 5 seconds', //~ 5 frequency `every 5 seconds`: ?
    models: { Item },
    exec: async () => {}
});
