import { createAction } from 'nango';
import { z } from 'zod';

export default createAction({
    description: 'Does nothing',
    input: z.void(),
    output: 'string' as any, //~ 5 `output` must be a zod schema (zod 4)
    exec: async () => {}
});
