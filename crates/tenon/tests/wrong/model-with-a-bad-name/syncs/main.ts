import { createSync } from 'nango';
import { z } from 'zod';

const Item = z.object({ id: z.string() });

export default createSync({
    description: 'Copies items',
    frequency: 'every hour',
    models: { 'my item': Item }, //~ 15 `my item` is not a name for a model: a letter, then letters, digits and `_`
    exec: async () => {}
});
