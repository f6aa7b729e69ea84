import { createAction } from 'nango'; //~ 1 this file has no default export
import { z } from 'zod';

const action = createAction({ description: 'Does nothing', input: z.void(), output: z.void(), exec: async () => {} });
