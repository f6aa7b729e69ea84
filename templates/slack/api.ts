import { type User } from '../models/user.js';

/** Slack answers 200 also when it refuses; then `ok` is false and `error` says why. */
export type Answer<T> = (T & { ok: true }) | { ok: false; error: string; needed?: string };

/** The parts of Slack's user that we read. */
export interface SlackUser {
    id: string;
    name: string;
    real_name?: string;
    deleted: boolean;
    profile: { email?: string; image_192?: string; display_name?: string };
}

export function toUser(user: SlackUser): User {
    return {
        id: user.id,
        name: user.real_name || user.profile.display_name || user.name,
        // Empty where there is none.
        email: user.profile.email || null,
        avatarUrl: user.profile.image_192 || null,
        active: !user.deleted
    };
}

/** What to tell the caller of an action that Slack refused. */
export function refusal(answer: { error: string; needed?: string }): { code: string; message: string } {
    const scope = answer.needed ? `; the connection lacks the scope ${answer.needed}` : '';
    return { code: answer.error, message: `Slack refused: ${answer.error}${scope}` };
}
