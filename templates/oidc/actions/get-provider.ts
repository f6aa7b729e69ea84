import { createAction } from 'nango';
import * as z from 'zod';
import { discover } from '../api.js';

const Output = z.object({
    issuer: z.string(),
    authorizationEndpoint: z.string(),
    tokenEndpoint: z.string(),
    userinfoEndpoint: z.string().nullable(),
    endSessionEndpoint: z.string().nullable(),
    scopes: z.array(z.string())
});

const action = createAction({
    description: 'Reads what the provider says about itself: its endpoints and scopes',
    version: '1.0.0',
    scopes: ['openid'],
    input: z.object({}),
    output: Output,
    exec: async (nango) => {
        const found = await discover(nango);
        return {
            issuer: found.issuer,
            authorizationEndpoint: found.authorization_endpoint,
            tokenEndpoint: found.token_endpoint,
            userinfoEndpoint: found.userinfo_endpoint ?? null,
            endSessionEndpoint: found.end_session_endpoint ?? null,
            scopes: found.scopes_supported ?? []
        };
    }
});

export default action;
