import { createSync } from 'nango';
import * as z from 'zod';
import { Contact } from '../../models/contact.js';
import { HEADERS, type IntercomContact, toContact } from '../api.js';

const sync = createSync({
    description: 'Users and leads of the workspace, changed ones since the last run',
    version: '1.0.0',
    frequency: 'every 5 minutes',
    autoStart: true,
    models: { Contact },
    checkpoint: z.object({ since: z.number() }),
    exec: async (nango) => {
        const since = (await nango.getCheckpoint())?.since ?? 0;
        let newest: number | undefined;
        for await (const page of nango.paginate<IntercomContact>({
            method: 'POST',
            endpoint: '/contacts/search',
            headers: HEADERS,
            data: {
                // More than one second earlier is "not earlier than".
                query: { field: 'updated_at', operator: '>', value: Math.max(since - 1, 0) },
                // Newest first: what changes while we read moves to pages already read, and the next run sees it.
                sort: { field: 'updated_at', order: 'descending' }
            },
            paginate: {
                type: 'cursor',
                cursor_name_in_request: 'pagination.starting_after',
                cursor_path_in_response: 'pages.next.starting_after',
                response_path: 'data',
                limit_name_in_request: 'pagination.per_page',
                limit: 150
            },
            retries: 5
        })) {
            newest ??= page[0]?.updated_at;
            await nango.batchSave(page.map(toContact), 'Contact');
        }
        if (newest !== undefined) {
            await nango.saveCheckpoint({ since: newest });
        }
    }
});

export default sync;
