import { createAction } from 'nango';
import { z } from 'zod';

export default createAction({
    description: 'Renames an item',
    input: z.object({ id: z.string() }),
    output: z.object({ name: z.string() }),
    exec: async (nango, input) => {
        const response = nango.get<{ name: string }>({ endpoint: `/items/${input.id}` }); //~ 26 the promise of `nango.get(...)` is used as if it were the answer
        return { name: (response as any).data.name };
    }
});
