import { createSync } from 'nango';
import { type HelpdeskTicket, Ticket, toTicket } from '../models.js';

const sync = createSync({
    description: 'Keeps a copy of every ticket of the connected account',
    version: '1.0.0',
    frequency: 'every 30 seconds',
    autoStart: true,
    models: { Ticket },
    exec: async (nango) => {
        // What is not saved between start and end was deleted at the helpdesk.
        await nango.trackDeletesStart('Ticket');
        // How the helpdesk pages its lists stands in its provider entry.
        for await (const page of nango.paginate<HelpdeskTicket>({ endpoint: '/api/tickets', retries: 3 })) {
            await nango.batchSave(page.map(toTicket), 'Ticket');
        }
        await nango.trackDeletesEnd('Ticket');
    }
});

export default sync;
