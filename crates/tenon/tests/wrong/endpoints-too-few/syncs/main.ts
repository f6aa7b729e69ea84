import { createSync } from 'nango';
import { z } from 'zod';

const Item = z.object({ id: z.string() });

export default createSync({
    description: 'Copies items',
    frequency: 'every hour',
    endpoints: [ //~ 5 1 models need as many endpoints, not 2
        { method: 'GET', path: '/items' },
        { method: 'GET', path: '/more' }
    ],
    models: { Item },
    exec: async () => {}
});
