import { createAction } from 'nango';
import * as z from 'zod';
import { File } from '../../models/file.js';
import { type NotionPage, toFile, toParagraphs } from '../api.js';

const Input = z.object({
    /** The page to create it under; it must be shared with the connection. */
    parentId: z.uuid(),
    title: z.string().trim().min(1).max(2000),
    paragraphs: z.array(z.string()).max(100).optional()
});

const action = createAction({
    description: 'Creates a page under another one',
    version: '1.0.0',
    input: Input,
    output: File,
    exec: async (nango, raw) => {
        const { data: input } = await nango.zodValidateInput({ zodSchema: Input, input: raw });
        const { data } = await nango.post<NotionPage>({
            endpoint: '/v1/pages',
            data: {
                parent: { page_id: input.parentId },
                properties: { title: { title: [{ text: { content: input.title } }] } },
                children: toParagraphs(input.paragraphs ?? [])
            },
            // Sent again, it could create a second page.
            retries: 0
        });
        return toFile(data);
    }
});

export default action;
