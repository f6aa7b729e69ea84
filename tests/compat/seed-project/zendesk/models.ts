import * as z from 'zod';

export const ticket = z.object({ id: z.string(), title: z.string(), content: z.string() });

/** A ticket of the provider in the schema of the app. */
export function toTicket(raw: { id: number; subject: string; description: string }): z.infer<typeof ticket> {
    return { id: String(raw.id), title: raw.subject, content: raw.description };
}
