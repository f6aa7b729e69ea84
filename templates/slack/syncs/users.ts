import { createSync } from 'nango';
import { User } from '../../models/user.js';
import { type SlackUser, toUser } from '../api.js';

const sync = createSync({
    description: 'Members of the workspace; deactivated ones stay, as not active',
    version: '1.0.0',
    frequency: 'every hour',
    autoStart: true,
    scopes: ['users:read', 'users:read.email'],
    models: { User },
    exec: async (nango) => {
        // A refused page has status 200 and no members, which looks like the end of the list.
        let complete = false;
        for await (const page of nango.paginate<SlackUser>({
            endpoint: '/users.list',
            paginate: {
                response_path: 'members',
                limit: 200,
                on_page: async ({ nextPageParam }) => {
                    complete = !nextPageParam;
                }
            },
            retries: 5
        })) {
            await nango.batchSave(page.map(toUser), 'User');
        }
        if (!complete) {
            throw new Error('Slack refused a page of users.list; is the token revoked or a scope missing?');
        }
    }
});

export default sync;
