import * as z from 'zod';

/** A person one does business with: lead, customer or requester. */
export const Contact = z.object({
    id: z.string(),
    name: z.string().nullable(),
    email: z.string().nullable(),
    phone: z.string().nullable(),
    company: z.string().nullable(),
    createdAt: z.string(),
    updatedAt: z.string().nullable()
});

export type Contact = z.infer<typeof Contact>;

/** The full name, or null if no part of it is known. */
export function fullName(...parts: (string | null | undefined)[]): string | null {
    return parts.filter(Boolean).join(' ') || null;
}
