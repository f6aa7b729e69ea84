import * as z from 'zod';

/** A file, folder or page. */
export const File = z.object({
    id: z.string(),
    name: z.string(),
    kind: z.enum(['file', 'folder', 'page']),
    mimeType: z.string().nullable(),
    sizeBytes: z.number().nullable(),
    parentId: z.string().nullable(),
    url: z.string().nullable(),
    createdAt: z.string(),
    updatedAt: z.string()
});

export type File = z.infer<typeof File>;
