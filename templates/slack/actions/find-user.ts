import { createAction } from 'nango';
import * as z from 'zod';
import { User } from '../../models/user.js';
import { type Answer, refusal, type SlackUser, toUser } from '../api.js';

const Input = z.object({ email: z.email() });

const action = createAction({
    description: 'Finds a member of the workspace by email address',
    version: '1.0.0',
    scopes: ['users:read', 'users:read.email'],
    input: Input,
    output: User,
    exec: async (nango, raw) => {
        const { data: input } = await nango.zodValidateInput({ zodSchema: Input, input: raw });
        const { data } = await nango.get<Answer<{ user: SlackUser }>>({
            endpoint: '/users.lookupByEmail',
            params: { email: input.email },
            retries: 3
        });
        if (!data.ok) {
            const unknown = { code: 'unknown_user', message: `nobody in the workspace has the address ${input.email}` };
            throw new nango.ActionError(data.error === 'users_not_found' ? unknown : refusal(data));
        }
        return toUser(data.user);
    }
});

export default action;
