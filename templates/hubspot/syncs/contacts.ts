import { createSync } from 'nango';
import { Contact } from '../../models/contact.js';
import { CONTACT_PROPERTIES, type HubspotObject, toContact } from '../api.js';

const sync = createSync({
    description: 'Contacts of the account',
    version: '1.0.0',
    frequency: 'every hour',
    autoStart: true,
    scopes: ['crm.objects.contacts.read'],
    models: { Contact },
    exec: async (nango) => {
        // The list, not the search: it has no end at 10,000 and shows what was archived by leaving it out.
        await nango.trackDeletesStart('Contact');
        for await (const page of nango.paginate<HubspotObject>({
            endpoint: '/crm/v3/objects/contacts',
            params: { properties: CONTACT_PROPERTIES.join(',') },
            paginate: { limit: 100 },
            retries: 5
        })) {
            await nango.batchSave(page.map(toContact), 'Contact');
        }
        await nango.trackDeletesEnd('Contact');
    }
});

export default sync;
