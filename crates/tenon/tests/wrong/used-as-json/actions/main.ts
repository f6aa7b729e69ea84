import { createAction } from 'nango';
import { z } from 'zod';

export default createAction({
    description: 'Renames an item',
    input: z.object({ id: z.string() }),
    output: z.object({ name: z.string() }),
    exec: async (nango, input) => {
        return { name: JSON.stringify(nango.getEnvironmentVariables()) }; //~ 39 the promise of `nango.getEnvironmentVariables(...)` is used as if it were the answer
    }
});
