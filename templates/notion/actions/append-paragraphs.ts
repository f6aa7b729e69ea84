import { createAction } from 'nango';
import * as z from 'zod';
import { toParagraphs } from '../api.js';

const Input = z.object({ pageId: z.uuid(), paragraphs: z.array(z.string()).min(1).max(100) });

const action = createAction({
    description: 'Writes paragraphs at the end of a page',
    version: '1.0.0',
    input: Input,
    output: z.object({ blockIds: z.array(z.string()) }),
    exec: async (nango, raw) => {
        const { data: input } = await nango.zodValidateInput({ zodSchema: Input, input: raw });
        const { data } = await nango.patch<{ results: { id: string }[] }>({
            endpoint: `/v1/blocks/${input.pageId}/children`,
            data: { children: toParagraphs(input.paragraphs) },
            // Sent again, the paragraphs would stand there twice.
            retries: 0
        });
        if (data.results.length !== input.paragraphs.length) {
            throw new nango.ActionError({
                code: 'partly_written',
                message: `Notion wrote ${data.results.length} of ${input.paragraphs.length} paragraphs`
            });
        }
        return { blockIds: data.results.map((block) => block.id) };
    }
});

export default action;
