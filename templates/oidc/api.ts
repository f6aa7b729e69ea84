import type { NangoAction } from 'nango';
import { type User } from '../models/user.js';

type Nango = Pick<NangoAction, 'getConnection' | 'get' | 'ActionError'>;

/** The parts of a discovery document that we read. */
export interface Discovery {
    issuer: string;
    authorization_endpoint: string;
    token_endpoint: string;
    userinfo_endpoint?: string;
    end_session_endpoint?: string;
    scopes_supported?: string[];
}

/** The standard claims that we read. */
interface Claims {
    sub?: string;
    name?: string;
    preferred_username?: string;
    email?: string;
    picture?: string;
}

/** What the provider says about itself; it must call itself what the connection calls it. */
export async function discover(nango: Nango): Promise<Discovery> {
    const { connection_config: config } = await nango.getConnection();
    const { data } = await nango.get<Discovery>({ endpoint: '/.well-known/openid-configuration', retries: 3 });
    const expected = `https://${config['issuer']}`;
    if (data.issuer?.replace(/\/$/, '') !== expected) {
        throw new nango.ActionError({
            code: 'wrong_issuer',
            message: `the provider at ${expected} calls itself ${data.issuer}: correct the connection's \`issuer\``
        });
    }
    return data;
}

/** Who has connected, from the userinfo endpoint. */
export async function profile(nango: Nango): Promise<User> {
    const { userinfo_endpoint: address } = await discover(nango);
    if (!address?.startsWith('https://')) {
        throw new nango.ActionError({
            code: 'no_userinfo',
            message: 'the provider names no userinfo endpoint with https in its discovery document'
        });
    }
    // The endpoint may be on another host than the issuer.
    const url = new URL(address);
    const { data: claims } = await nango.get<Claims>({
        baseUrlOverride: url.origin,
        endpoint: `${url.pathname}${url.search}`,
        retries: 3
    });
    if (!claims.sub) {
        throw new nango.ActionError({ code: 'no_subject', message: 'the userinfo endpoint answered without `sub`' });
    }
    return {
        id: claims.sub,
        name: claims.name ?? claims.preferred_username ?? claims.email ?? claims.sub,
        email: claims.email ?? null,
        avatarUrl: claims.picture ?? null,
        active: true
    };
}
