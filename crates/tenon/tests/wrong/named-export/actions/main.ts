import { createAction } from 'nango';
import { z } from 'zod';

export const LIMIT = 100; //~ 14 `LIMIT` may not be exported from the file of a function

export default createAction({ description: 'Does nothing', input: z.void(), output: z.void(), exec: async () => {} });
