import { createSync } from 'nango';
import { Contact } from '../../models/contact.js';
import { HEADERS, type StripeCustomer, toContact } from '../api.js';

interface List {
    data: StripeCustomer[];
    has_more: boolean;
}

const sync = createSync({
    description: 'Customers of the account',
    version: '1.0.0',
    frequency: 'every hour',
    autoStart: true,
    scopes: ['read_write'],
    models: { Contact },
    exec: async (nango) => {
        await nango.trackDeletesStart('Contact');
        let last: string | undefined;
        // Not `paginate`: the cursor is the id of the last customer of the page, and no field of its own.
        for (;;) {
            const { data: page }: { data: List } = await nango.get<List>({
                endpoint: '/v1/customers',
                params: { limit: '100', ...(last ? { starting_after: last } : {}) },
                headers: HEADERS,
                retries: 5
            });
            await nango.batchSave(page.data.map(toContact), 'Contact');
            last = page.data.at(-1)?.id;
            if (!page.has_more || !last) {
                break;
            }
        }
        await nango.trackDeletesEnd('Contact');
    }
});

export default sync;
