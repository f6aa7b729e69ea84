import { createSync } from 'nango';
import { z } from 'zod';

export default createSync({
    description: 'Takes items that arrive',
    frequency: 'every day',
    models: { Item: z.object({ id: z.string() }) },
    exec: async () => {},
    webhookSubscriptions: ['*'],
    onWebhook: async (client, payload) => {
        client.batchSave([payload as { id: string }], 'Item'); //~ 9 nobody waits for `nango.batchSave(...)`
    }
});
