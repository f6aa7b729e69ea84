import { createSync } from 'nango';
import { z } from 'zod';

const Item = z.object({ id: z.string() });

export default createSync({
    description: 'Copies items',
    frequency: 'every hour',
    models: {}, //~ 5 a sync needs `models`
    exec: async () => {}
});
