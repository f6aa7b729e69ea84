import { createAction } from 'nango';
import * as z from 'zod';
import { User } from '../../models/user.js';
import { profile } from '../api.js';

const action = createAction({
    description: 'Asks the provider now who has connected',
    version: '1.0.0',
    scopes: ['openid', 'profile', 'email'],
    input: z.object({}),
    output: User,
    exec: async (nango) => profile(nango)
});

export default action;
