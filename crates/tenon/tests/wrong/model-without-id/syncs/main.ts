import { createSync } from 'nango';
import { z } from 'zod';

const Item = z.object({ id: z.string() });

export default createSync({
    description: 'Copies items',
    frequency: 'every hour',
    models: {
        Item,
        Person: z.object({ name: z.string() }) //~ 9 model `Person` needs a string `id`
    },
    exec: async () => {}
});
