import { createSync } from 'nango';
import { ticket, toTicket } from '../models.js';

export default createSync({
    description: 'Tickets',
    frequency: 'every hour',
    autoStart: true,
    models: { ticket },
    exec: async (nango) => {
        const response = await nango.get<{ tickets: { id: number; subject: string; description: string }[] }>({ endpoint: '/api/tickets', retries: 2 });
        await nango.batchSave(response.data.tickets.map(toTicket), 'ticket');
    }
});
