import { createSync } from 'nango';
import * as z from 'zod';
import { Ticket } from '../../models/ticket.js';
import { type HubspotObject, TICKET_PROPERTIES, toTicket } from '../api.js';

/** The search shows no more than this many results of one query. */
const SEARCH_LIMIT = 10_000;

/** How far the search may lag behind, and clocks may differ. */
const OVERLAP_MS = 5 * 60 * 1000;

const sync = createSync({
    description: 'Tickets of the account: all of them first, then what has changed',
    version: '1.0.0',
    frequency: 'every 5 minutes',
    autoStart: true,
    scopes: ['tickets'],
    models: { Ticket },
    checkpoint: z.object({ sinceMs: z.number() }),
    exec: async (nango) => {
        const startedMs = Date.now();
        const sinceMs = (await nango.getCheckpoint())?.sinceMs;
        let changed = 0;
        if (sinceMs !== undefined) {
            for await (const page of nango.paginate<HubspotObject>({
                method: 'POST',
                endpoint: '/crm/v3/objects/tickets/search',
                data: {
                    filterGroups: [
                        { filters: [{ propertyName: 'hs_lastmodifieddate', operator: 'GTE', value: String(sinceMs) }] }
                    ],
                    // Newest first: what changes while we read moves to pages already read, and the next run sees it.
                    sorts: [{ propertyName: 'hs_lastmodifieddate', direction: 'DESCENDING' }],
                    properties: TICKET_PROPERTIES
                },
                paginate: {
                    limit: 100,
                    on_page: async ({ response }) => {
                        changed = response.data.total;
                    }
                },
                retries: 5
            })) {
                if (changed > SEARCH_LIMIT) {
                    break;
                }
                await nango.batchSave(page.map(toTicket), 'Ticket');
            }
        }
        if (sinceMs === undefined || changed > SEARCH_LIMIT) {
            for await (const page of nango.paginate<HubspotObject>({
                endpoint: '/crm/v3/objects/tickets',
                params: { properties: TICKET_PROPERTIES.join(',') },
                paginate: { limit: 100 },
                retries: 5
            })) {
                await nango.batchSave(page.map(toTicket), 'Ticket');
            }
        }
        await nango.saveCheckpoint({ sinceMs: startedMs - OVERLAP_MS });
    }
});

export default sync;
