import { createAction } from 'nango';
import { z } from 'zod';

export default createAction({
    description: 'Renames an item',
    input: z.object({ id: z.string() }),
    output: z.object({ name: z.string() }),
    exec: async (nango, input) => {
        const response = await nango.get<{ name: string }>({
            endpoint: `/items/${input.id}`,
            retryOn: [409] //~ 13 `retryOn` needs `retries`
        });
        return response.data;
    }
});
