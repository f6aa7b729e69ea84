import { createSync } from 'nango';
import * as z from 'zod';

const Entry = z.object({ id: z.string(), value: z.number(), note: z.string() });

const sync = createSync({
    description: 'Everything in the ledger, going on where it was cut off',
    frequency: 'every day',
    autoStart: false,
    models: { Entry },
    checkpoint: z.object({ offset: z.number() }),
    exec: async (nango) => {
        let offset = ((await nango.getCheckpoint()) as { offset: number } | null)?.offset ?? 0;
        for (;;) {
            const response = await nango.get<{ items: z.infer<typeof Entry>[] }>({ endpoint: '/items', params: { offset: String(offset), limit: '100' }, retries: 3 });
            if (response.data.items.length === 0) break;
            await nango.batchSave(response.data.items, 'Entry');
            offset += response.data.items.length;
            await nango.saveCheckpoint({ offset });
        }
        await nango.clearCheckpoint();
    }
});

export default sync;
