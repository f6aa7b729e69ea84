import { createAction } from 'nango';
import { z } from 'zod';
import fs from 'fs'; //~ 16 functions cannot import `fs`

export default createAction({
    description: 'Renames an item',
    input: z.object({ id: z.string() }),
    output: z.object({ name: z.string() }),
    exec: async (nango, input) => {
        return { name: fs.readFileSync(input.id, 'utf8') };
    }
});
