import { createSync } from 'nango';
import * as z from 'zod';
import { Contact } from '../../models/contact.js';
import { API, CONTACT_FIELDS, isoTime, type SalesforceContact, toContact } from '../api.js';

const sync = createSync({
    description: 'Contacts of the organisation, changed and deleted ones since the last run',
    version: '1.0.0',
    frequency: 'every 5 minutes',
    autoStart: true,
    scopes: ['api', 'refresh_token'],
    models: { Contact },
    checkpoint: z.object({ since: z.string() }),
    exec: async (nango) => {
        const since = (await nango.getCheckpoint())?.since;
        const where = since ? ` WHERE SystemModstamp >= ${since}` : '';
        for await (const page of nango.paginate<SalesforceContact>({
            // `queryAll` answers with what is in the recycle bin too.
            endpoint: `${API}/queryAll`,
            params: { q: `SELECT ${CONTACT_FIELDS} FROM Contact${where} ORDER BY SystemModstamp ASC` },
            paginate: { type: 'link', link_path_in_response_body: 'nextRecordsUrl', response_path: 'records' },
            retries: 5
        })) {
            const gone = page.filter((contact) => contact.IsDeleted);
            const kept = page.filter((contact) => !contact.IsDeleted);
            await nango.batchSave(kept.map(toContact), 'Contact');
            await nango.batchDelete(gone.map(({ Id }) => ({ id: Id })), 'Contact');
            // The pages are one snapshot, oldest first: each of them is a place to go on from.
            const last = page.at(-1);
            if (last) {
                await nango.saveCheckpoint({ since: isoTime(last.SystemModstamp) });
            }
        }
    }
});

export default sync;
