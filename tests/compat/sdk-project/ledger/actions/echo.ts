import { createAction } from 'nango';
import * as z from 'zod';

const Shape = z.object({ text: z.string() });

const action = createAction({
    description: 'Gives back what it got',
    version: '1.0.0',
    input: Shape,
    output: Shape,
    exec: async (_nango, input) => ({ text: `got ${input.text}` })
});

export default action;
