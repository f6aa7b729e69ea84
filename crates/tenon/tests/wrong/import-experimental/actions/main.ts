import { createAction } from 'nango';
import { z } from 'zod';
import { createFunction } from 'nango/experimental'; //~ 32 functions cannot import `nango/experimental`

export default createAction({
    description: 'Renames an item',
    input: z.object({ id: z.string() }),
    output: z.object({ name: z.string() }),
    exec: async (nango, input) => {
        return { name: String(createFunction) };
    }
});
