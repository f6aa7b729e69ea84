import { createAction } from 'nango';
import { z } from 'zod';
import { chunk } from 'lodash'; //~ 23 functions cannot import `lodash`

export default createAction({
    description: 'Renames an item',
    input: z.object({ id: z.string() }),
    output: z.object({ name: z.string() }),
    exec: async (nango, input) => {
        return { name: chunk(input.id) };
    }
});
