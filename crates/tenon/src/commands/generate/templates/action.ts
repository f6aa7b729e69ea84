import { createAction } from 'nango';
import { z } from 'zod';

const action = createAction({
    description: 'Says in one line what is done',
    version: '1.0.0',
    input: z.object({ name: z.string() }),
    output: z.object({ id: z.string() }),
    exec: async (nango, input) => {
        const response = await nango.post<{ id: number }>({
            endpoint: '/__NAME__',
            data: { name: input.name },
            retries: 3
        });
        return { id: String(response.data.id) };
    }
});

export type NangoActionLocal = Parameters<(typeof action)['exec']>[0];
export default action;
