import { createSync } from 'nango';
import { z } from 'zod';

const Item = z.object({ id: z.string() });

export default createSync({
    description: 'Copies items',
    frequency: 'every hour',
    models: { Item: { id: 'string' } as any }, //~ 15 model `Item` must be a zod schema (zod 4)
    exec: async () => {}
});
