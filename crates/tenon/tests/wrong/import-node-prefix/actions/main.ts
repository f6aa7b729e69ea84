import { createAction } from 'nango';
import { z } from 'zod';
import { spawn } from 'node:child_process'; //~ 23 functions cannot import `node:child_process`

export default createAction({
    description: 'Renames an item',
    input: z.object({ id: z.string() }),
    output: z.object({ name: z.string() }),
    exec: async (nango, input) => {
        return { name: spawn(input.id) };
    }
});
