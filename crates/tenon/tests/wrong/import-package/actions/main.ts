import { createAction } from 'nango';
import { z } from 'zod';
import { chunk } from 'lodash'; //~ 23 there is no package `lodash` in node_modules

export default createAction({
    description: 'Renames an item',
    input: z.object({ id: z.string() }),
    output: z.object({ name: z.string() }),
    exec: async (nango, input) => {
        return { name: chunk(input.id) };
    }
});
