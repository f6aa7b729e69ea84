import { createAction } from 'nango';
import { z } from 'zod';
import { run } from '../run.js';

export default createAction({
    description: 'Renames an item',
    input: z.object({ id: z.string() }),
    output: z.object({ name: z.string() }),
    exec: async (nango, input) => {
        return { name: run(input.id) };
    }
});
