import { createSync } from 'nango';
import * as z from 'zod';
import { type CancelledEvent, Event, eventsPath, failedWith, type GoogleEvent, toEvent } from '../api.js';

interface Page {
    items: (GoogleEvent | CancelledEvent)[];
    nextPageToken?: string;
    nextSyncToken?: string;
}

const sync = createSync({
    description: 'Events of a calendar, the main one unless metadata names another; changed and cancelled ones',
    version: '1.0.0',
    frequency: 'every 5 minutes',
    autoStart: true,
    scopes: ['https://www.googleapis.com/auth/calendar.events.readonly'],
    models: { Event },
    metadata: z.object({ calendarId: z.string().optional() }),
    checkpoint: z.object({ syncToken: z.string() }),
    exec: async (nango) => {
        const metadata = await nango.getMetadata();
        // Not `paginate`: a page may be empty with another one behind it, and the last one carries the token for next time.
        const read = async (params: Record<string, string>): Promise<Page> => {
            const endpoint = eventsPath(metadata?.calendarId);
            return (await nango.get<Page>({ endpoint, params: { maxResults: '2500', ...params }, retries: 5 })).data;
        };
        const syncToken = (await nango.getCheckpoint())?.syncToken;
        let page = syncToken
            ? await read({ syncToken }).catch((error: unknown) => {
                  // Google forgets tokens after a while; then everything is read again.
                  if (failedWith(410, error)) {
                      return null;
                  }
                  throw error;
              })
            : null;
        const everything = page === null;
        if (everything) {
            await nango.trackDeletesStart('Event');
        }
        page ??= await read({});
        for (;;) {
            const gone = page.items.filter((event) => event.status === 'cancelled');
            const kept = page.items.filter((event) => event.status !== 'cancelled');
            await nango.batchSave(kept.map(toEvent), 'Event');
            await nango.batchDelete(gone.map(({ id }) => ({ id })), 'Event');
            if (!page.nextPageToken) {
                break;
            }
            const pageToken = page.nextPageToken;
            page = await read(everything || !syncToken ? { pageToken } : { syncToken, pageToken });
        }
        if (everything) {
            await nango.trackDeletesEnd('Event');
        }
        if (page.nextSyncToken) {
            await nango.saveCheckpoint({ syncToken: page.nextSyncToken });
        }
    }
});

export default sync;
