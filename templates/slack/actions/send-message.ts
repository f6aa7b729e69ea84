import { createAction } from 'nango';
import * as z from 'zod';
import { type Answer, refusal } from '../api.js';

const Input = z.object({
    /** Id of a channel, or of a user for a direct message. */
    channel: z.string().min(1),
    text: z.string().trim().min(1).max(40_000),
    /** `timestamp` of the message to answer. */
    thread: z.string().optional()
});

const Output = z.object({ channel: z.string(), timestamp: z.string() });

const action = createAction({
    description: 'Sends a message to a channel, a person or a thread',
    version: '1.0.0',
    scopes: ['chat:write'],
    input: Input,
    output: Output,
    exec: async (nango, raw) => {
        const { data: input } = await nango.zodValidateInput({ zodSchema: Input, input: raw });
        const { data } = await nango.post<Answer<{ channel: string; ts: string }>>({
            endpoint: '/chat.postMessage',
            data: { channel: input.channel, text: input.text, thread_ts: input.thread },
            // Sent again, the message could stand there twice.
            retries: 0
        });
        if (!data.ok) {
            throw new nango.ActionError(refusal(data));
        }
        return { channel: data.channel, timestamp: data.ts };
    }
});

export default action;
