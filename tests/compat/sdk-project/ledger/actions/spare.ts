import { createAction } from 'nango';
import * as z from 'zod';

const action = createAction({
    description: 'Is there to be deleted',
    version: '1.0.0',
    input: z.void(),
    output: z.object({ spare: z.boolean() }),
    exec: async () => ({ spare: true })
});

export default action;
