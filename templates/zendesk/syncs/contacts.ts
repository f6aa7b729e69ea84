import { createSync } from 'nango';
import { Contact } from '../../models/contact.js';
import { toContact, type ZendeskUser } from '../api.js';

const sync = createSync({
    description: 'End users of the account',
    version: '1.0.0',
    frequency: 'every hour',
    autoStart: true,
    scopes: ['users:read'],
    models: { Contact },
    exec: async (nango) => {
        await nango.trackDeletesStart('Contact');
        for await (const page of nango.paginate<ZendeskUser>({
            endpoint: '/api/v2/users.json',
            params: { role: 'end-user' },
            // By cursor: numbered pages end at 10,000 users.
            paginate: {
                type: 'link',
                link_path_in_response_body: 'links.next',
                response_path: 'users',
                limit_name_in_request: 'page[size]',
                limit: 100
            },
            retries: 5
        })) {
            await nango.batchSave(page.map(toContact), 'Contact');
        }
        await nango.trackDeletesEnd('Contact');
    }
});

export default sync;
