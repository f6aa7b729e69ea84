import { createAction } from 'nango';
import { z } from 'zod';

export default createAction({
    description: 'Renames an item',
    input: z.object({ id: z.string() }),
    output: z.object({ name: z.string() }),
    exec: async (nango, input) => {
        const { data } = nango.put({ endpoint: `/items/${input.id}` }) as any; //~ 26 the promise of `nango.put(...)` is used as if it were the answer
        return { name: data.name };
    }
});
