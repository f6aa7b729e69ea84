import { createSync } from 'nango';
import { z } from 'zod';

const Item = z.object({ id: z.string() });

export default createSync({
    description: 'Copies items',
    frequency: 'every hour',
    syncType: 'incremental',
    trackDeletes: true, //~ 5 `trackDeletes` needs a full sync
    models: { Item },
    exec: async () => {}
});
