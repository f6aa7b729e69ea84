import { createSync } from 'nango';
import { z } from 'zod';

const Item = z.object({ id: z.string() });

export default createSync({ //~ 16 a sync needs a `frequency`
    description: 'Copies items',
    models: { Item },
    exec: async () => {}
});
