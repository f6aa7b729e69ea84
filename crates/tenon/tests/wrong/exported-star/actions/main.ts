import { createAction } from 'nango';
import { z } from 'zod';

export * from '../models.js'; //~ 1 `*` may not be exported from the file of a function
export default createAction({ description: 'Does nothing', input: z.void(), output: z.void(), exec: async () => {} });
