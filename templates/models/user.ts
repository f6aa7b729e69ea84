import * as z from 'zod';

/** Somebody with an account at the provider. */
export const User = z.object({
    id: z.string(),
    name: z.string(),
    email: z.string().nullable(),
    avatarUrl: z.string().nullable(),
    active: z.boolean()
});

export type User = z.infer<typeof User>;
