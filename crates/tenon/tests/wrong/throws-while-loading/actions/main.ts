import { createAction } from 'nango';
import { z } from 'zod';
const first = (undefined as any).first; //~ 16 loading this file failed: ?

export default createAction({
    description: 'Renames an item',
    input: z.object({ id: z.string() }),
    output: z.object({ name: z.string() }),
    exec: async (nango, input) => {
        return { name: String(first) };
    }
});
