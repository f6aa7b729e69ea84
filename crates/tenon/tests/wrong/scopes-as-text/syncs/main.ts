import { createSync } from 'nango';
import { z } from 'zod';

const Item = z.object({ id: z.string() });

export default createSync({
    description: 'Copies items',
    frequency: 'every hour',
    scopes: 'items:read' as any, //~ 5 `scopes` must be a list of texts
    models: { Item },
    exec: async () => {}
});
