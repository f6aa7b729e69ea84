import { createSync } from 'nango';
import { User } from '../../models/user.js';
import { type NotionUser, toUser } from '../api.js';

const sync = createSync({
    description: 'Members and bots of the workspace',
    version: '1.0.0',
    frequency: 'every day',
    autoStart: true,
    models: { User },
    exec: async (nango) => {
        await nango.trackDeletesStart('User');
        for await (const page of nango.paginate<NotionUser>({
            endpoint: '/v1/users',
            paginate: { limit: 100 },
            retries: 5
        })) {
            await nango.batchSave(page.map(toUser), 'User');
        }
        await nango.trackDeletesEnd('User');
    }
});

export default sync;
