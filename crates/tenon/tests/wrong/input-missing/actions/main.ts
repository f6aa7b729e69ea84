import { createAction } from 'nango';
import { z } from 'zod';

export default createAction({ description: 'Does nothing', output: z.void(), exec: async () => {} } as any); //~ 16 an action needs an `input`; `z.void()` if there is none
