import { createSync } from 'nango';
import * as z from 'zod';
import { File } from '../../models/file.js';
import { type NotionPage, toFile } from '../api.js';

const sync = createSync({
    description: 'Pages that were shared with the connection, edited ones since the last run',
    version: '1.0.0',
    frequency: 'every 10 minutes',
    autoStart: true,
    models: { File },
    checkpoint: z.object({ since: z.string() }),
    exec: async (nango) => {
        const since = (await nango.getCheckpoint())?.since ?? '';
        let newest: string | undefined;
        // The search knows no "edited since", but the order: newest first, until one is older than the last run's newest.
        for await (const page of nango.paginate<NotionPage>({
            method: 'POST',
            endpoint: '/v1/search',
            data: {
                filter: { property: 'object', value: 'page' },
                sort: { timestamp: 'last_edited_time', direction: 'descending' }
            },
            paginate: { limit: 100 },
            retries: 5
        })) {
            newest ??= page[0]?.last_edited_time;
            // Not older than, because Notion rounds these times down to the minute.
            const edited = page.filter((found) => found.last_edited_time >= since);
            await nango.batchSave(edited.map(toFile), 'File');
            if (edited.length < page.length) {
                break;
            }
        }
        if (newest) {
            await nango.saveCheckpoint({ since: newest });
        }
    }
});

export default sync;
