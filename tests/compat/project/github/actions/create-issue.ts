import { createAction } from 'nango';
import * as z from 'zod';
import { Issue, toIssue } from '../models.js';

const Input = z.object({ repository: z.string(), title: z.string(), body: z.string().optional() });

const action = createAction({
    description: 'Creates an issue',
    version: '1.0.0',
    input: Input,
    output: Issue,
    exec: async (nango, input) => {
        const parsed = await nango.zodValidateInput({ zodSchema: Input, input });
        const response = await nango.post<{ id: number; number: number; title: string; state: string }>({
            endpoint: `/repos/${parsed.data.repository}/issues`,
            data: { title: parsed.data.title, body: parsed.data.body ?? '' },
            retries: 0
        });
        return toIssue(parsed.data.repository, response.data);
    }
});

export default action;
