import { createSync } from 'nango';
import { z } from 'zod';

const Item = z.object({ id: z.string() });

export default createSync({
    description: 'Copies items',
    frequency: 'often', //~ 5 frequency `often`: ?
    models: { Item },
    exec: async () => {}
});
