import { createAction } from 'nango';
import { z } from 'zod';

export default createAction({ description: 'Does nothing', input: z.void(), output: z.void() } as any); //~ 16 `exec` must be a function
