import { createAction } from 'nango';
import { z } from 'zod';
import { toName } from '../mappers/to-name.js'; //~ 24 there is no file `../mappers/to-name.js`

export default createAction({
    description: 'Renames an item',
    input: z.object({ id: z.string() }),
    output: z.object({ name: z.string() }),
    exec: async (nango, input) => {
        return { name: toName(input.id) };
    }
});
