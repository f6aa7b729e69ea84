import { createAction } from 'nango';
import { z } from 'zod';

export default createAction({
    description: 'Renames an item',
    input: z.object({ id: z.string() }),
    output: z.object({ name: z.string() }),
    exec: async (nango, input) => {
        const config = {
            endpoint: `/items/${input.id}`,
            retryOn: [409, 423] //~ 13 `retryOn` needs `retries`
        };
        const response = await nango.get<{ name: string }>(config);
        return response.data;
    }
});
