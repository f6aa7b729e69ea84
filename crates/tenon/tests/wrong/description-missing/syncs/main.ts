import { createSync } from 'nango';
import { z } from 'zod';

const Item = z.object({ id: z.string() });

export default createSync({ //~ 16 a function needs a `description`
    frequency: 'every hour',
    models: { Item },
    exec: async () => {}
});
