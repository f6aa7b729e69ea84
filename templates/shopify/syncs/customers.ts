import { createSync } from 'nango';
import * as z from 'zod';
import { Contact } from '../../models/contact.js';
import { CUSTOMER_FIELDS, graphql, type ShopifyCustomer, toContact } from '../api.js';

const QUERY = `query Customers($query: String, $after: String) {
    customers(first: 100, after: $after, query: $query, sortKey: UPDATED_AT) {
        nodes { ${CUSTOMER_FIELDS} }
        pageInfo { hasNextPage endCursor }
    }
}`;

interface Page {
    customers: { nodes: ShopifyCustomer[]; pageInfo: { hasNextPage: boolean; endCursor: string | null } };
}

const sync = createSync({
    description: 'Customers of the shop, changed ones since the last run',
    version: '1.0.0',
    frequency: 'every 5 minutes',
    autoStart: true,
    scopes: ['read_customers'],
    models: { Contact },
    checkpoint: z.object({ since: z.string() }),
    exec: async (nango) => {
        const since = (await nango.getCheckpoint())?.since;
        const query = since ? `updated_at:>='${since}'` : null;
        let after: string | null = null;
        // Not `paginate`: a throttled page has status 200 and no nodes, which would look like the end of the list.
        do {
            const { customers }: Page = await graphql<Page>(nango, QUERY, { query, after }, 5);
            await nango.batchSave(customers.nodes.map(toContact), 'Contact');
            // Oldest first, by cursor: each page is a place to go on from.
            const last = customers.nodes.at(-1);
            if (last) {
                await nango.saveCheckpoint({ since: last.updatedAt });
            }
            after = customers.pageInfo.hasNextPage ? customers.pageInfo.endCursor : null;
        } while (after);
    }
});

export default sync;
