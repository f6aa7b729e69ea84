import { createSync } from 'nango';
import { User } from '../../models/user.js';
import { profile } from '../api.js';

const sync = createSync({
    description: 'The person who has connected, as the provider knows them now',
    version: '1.0.0',
    frequency: 'every day',
    autoStart: true,
    scopes: ['openid', 'profile', 'email'],
    models: { User },
    exec: async (nango) => {
        // If the connection now belongs to somebody else, the one before goes.
        await nango.trackDeletesStart('User');
        await nango.batchSave([await profile(nango)], 'User');
        await nango.trackDeletesEnd('User');
    }
});

export default sync;
