import { createAction } from 'nango';
import { z } from 'zod';

export default createAction({
    description: 'Renames an item',
    input: z.object({ id: z.string() }),
    output: z.object({ name: z.string() }),
    exec: async (nango, input) => {
        const { default: fs } = await import('fs'); //~ 46 functions cannot import `fs`
        return { name: fs.readFileSync(input.id, 'utf8') };
    }
});
