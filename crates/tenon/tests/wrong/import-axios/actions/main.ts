import { createAction } from 'nango';
import { z } from 'zod';
import axios from 'axios'; //~ 19 functions cannot import `axios`

export default createAction({
    description: 'Renames an item',
    input: z.object({ id: z.string() }),
    output: z.object({ name: z.string() }),
    exec: async (nango, input) => {
        return (await axios.get(input.id)).data;
    }
});
