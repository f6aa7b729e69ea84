import { createAction } from 'nango';
import { z } from 'zod';
import names from '../names.json';

export default createAction({
    description: 'Renames an item',
    input: z.object({ id: z.string() }),
    output: z.object({ name: z.string() }),
    exec: async (nango, input) => {
        return { name: String(names) };
    }
});
