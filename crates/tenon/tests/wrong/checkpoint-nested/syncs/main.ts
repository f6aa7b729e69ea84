import { createSync } from 'nango';
import { z } from 'zod';

const Item = z.object({ id: z.string() });

export default createSync({
    description: 'Copies items',
    frequency: 'every hour',
    checkpoint: z.object({ cursor: z.object({ page: z.number() }) }), //~ 5 `cursor` of `checkpoint` is of type object
    models: { Item },
    exec: async () => {}
});
