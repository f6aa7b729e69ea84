import { createSync } from 'nango';
import * as z from 'zod';
import { Ticket } from '../../models/ticket.js';
import { HEADERS, type IntercomConversation, toTicket } from '../api.js';

/** How far the search may lag behind, and clocks may differ. */
const OVERLAP_SECONDS = 300;

const sync = createSync({
    description: 'Conversations of the workspace, changed ones since the last run',
    version: '1.0.0',
    frequency: 'every 5 minutes',
    autoStart: true,
    models: { Ticket },
    checkpoint: z.object({ since: z.number() }),
    exec: async (nango) => {
        // This search promises no order, so the next run begins where this one did.
        const started = Math.floor(Date.now() / 1000);
        const since = (await nango.getCheckpoint())?.since ?? 0;
        for await (const page of nango.paginate<IntercomConversation>({
            method: 'POST',
            endpoint: '/conversations/search',
            headers: HEADERS,
            data: { query: { field: 'updated_at', operator: '>', value: since } },
            paginate: {
                type: 'cursor',
                cursor_name_in_request: 'pagination.starting_after',
                cursor_path_in_response: 'pages.next.starting_after',
                response_path: 'conversations',
                limit_name_in_request: 'pagination.per_page',
                limit: 150
            },
            retries: 5
        })) {
            await nango.batchSave(page.map(toTicket), 'Ticket');
        }
        await nango.saveCheckpoint({ since: started - OVERLAP_SECONDS });
    }
});

export default sync;
