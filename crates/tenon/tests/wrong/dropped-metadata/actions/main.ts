import { createAction } from 'nango';
import { z } from 'zod';

export default createAction({
    description: 'Renames an item',
    input: z.object({ id: z.string() }),
    output: z.object({ name: z.string() }),
    exec: async (nango, input) => {
        nango.setMetadata({ last: input.id }); //~ 9 nobody waits for `nango.setMetadata(...)`
        return { name: 'x' };
    }
});
