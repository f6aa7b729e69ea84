import { createSync } from 'nango';
import * as z from 'zod';
import { Ticket } from '../../models/ticket.js';
import { toTicket, type ZendeskTicket } from '../api.js';

interface Export {
    tickets: ZendeskTicket[];
    after_cursor: string | null;
    end_of_stream: boolean;
}

const sync = createSync({
    description: 'Tickets of the account, changed and deleted ones since the last run',
    version: '1.0.0',
    frequency: 'every 5 minutes',
    autoStart: true,
    scopes: ['tickets:read'],
    models: { Ticket },
    checkpoint: z.object({ cursor: z.string() }),
    exec: async (nango) => {
        let cursor = (await nango.getCheckpoint())?.cursor;
        // Not `paginate`: the export gives a cursor on its last page too, for the next run; `end_of_stream` ends this one.
        for (;;) {
            const { data } = await nango.get<Export>({
                endpoint: '/api/v2/incremental/tickets/cursor.json',
                params: cursor ? { cursor } : { start_time: '1' },
                retries: 5
            });
            const gone = data.tickets.filter((ticket) => ticket.status === 'deleted');
            const kept = data.tickets.filter((ticket) => ticket.status !== 'deleted');
            await nango.batchSave(kept.map(toTicket), 'Ticket');
            await nango.batchDelete(gone.map(({ id }) => ({ id: String(id) })), 'Ticket');
            if (data.after_cursor) {
                cursor = data.after_cursor;
                await nango.saveCheckpoint({ cursor });
            }
            if (data.end_of_stream || !data.after_cursor) {
                return;
            }
        }
    }
});

export default sync;
