import { createSync } from 'nango';
import { z } from 'zod';

const Item = z.object({ id: z.string() });

export default createSync({
    description: 'Copies items',
    frequency: 'every hour',
    syncType: 'partial' as any, //~ 5 `syncType` is `full` or `incremental`
    models: { Item },
    exec: async () => {}
});
