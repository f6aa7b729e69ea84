import { createSync } from 'nango';
import { z } from 'zod';

// What your app gets to see. The name of a model is unique within an integration.
const __MODEL__ = z.object({
    id: z.string(),
    name: z.string()
});

const sync = createSync({
    description: 'Says in one line what is copied',
    version: '1.0.0',
    frequency: 'every hour',
    autoStart: true,
    models: { __MODEL__ },
    exec: async (nango) => {
        for await (const page of nango.paginate<{ id: number; name: string }>({
            endpoint: '/__NAME__',
            retries: 3
        })) {
            const records = page.map((item) => ({ id: String(item.id), name: item.name }));
            await nango.batchSave(records, '__MODEL__');
        }
    }
});

export type NangoSyncLocal = Parameters<(typeof sync)['exec']>[0];
export default sync;
