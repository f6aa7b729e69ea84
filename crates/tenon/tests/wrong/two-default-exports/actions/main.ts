import { createAction } from 'nango';
import { z } from 'zod';

const action = createAction({ description: 'Does nothing', input: z.void(), output: z.void(), exec: async () => {} });
export default action;
export { action as default }; //~ 10 this file has more than one default export
