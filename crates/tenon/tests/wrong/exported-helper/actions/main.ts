import { createAction } from 'nango';
import { z } from 'zod';

export function helper() {} //~ 17 `helper` may not be exported from the file of a function
export enum State { Open } //~ 13 `State` may not be exported from the file of a function
export default createAction({ description: 'Does nothing', input: z.void(), output: z.void(), exec: async () => {} });
