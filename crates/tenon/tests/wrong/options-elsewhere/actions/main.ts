import { createAction } from 'nango';
import { z } from 'zod';

const options = { description: 'Does nothing', input: z.void(), output: z.void(), exec: async () => {} };
export default createAction(options); //~ 1 a definition function takes one object literal
