import { createAction } from 'nango';
import { z } from 'zod';

export default createAction({
    description: 'Renames an item',
    input: z.object({ id: z.string() }),
    output: z.object({ name: z.string() }),
    exec: async (nango, input) => {
        return (async () => {}).constructor('return 1')(); //~ 16 `constructor` may not be called
    }
});
