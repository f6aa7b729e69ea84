import { createAction } from 'nango';
import * as z from 'zod';
import { eventsPath, failedWith } from '../api.js';

const Input = z.object({
    calendarId: z.string().optional(),
    eventId: z.string().min(1),
    /** Whether Google tells the attendees. */
    notify: z.boolean()
});

const action = createAction({
    description: 'Cancels an event; one that was cancelled before stays so',
    version: '1.0.0',
    scopes: ['https://www.googleapis.com/auth/calendar.events'],
    input: Input,
    output: z.object({ id: z.string(), status: z.literal('cancelled') }),
    exec: async (nango, raw) => {
        const { data: input } = await nango.zodValidateInput({ zodSchema: Input, input: raw });
        try {
            await nango.delete({
                endpoint: `${eventsPath(input.calendarId)}/${encodeURIComponent(input.eventId)}`,
                params: { sendUpdates: input.notify ? 'all' : 'none' },
                retries: 3
            });
        } catch (error) {
            if (failedWith(404, error)) {
                const message = `there is no event ${input.eventId} in this calendar`;
                throw new nango.ActionError({ code: 'unknown_event', message });
            }
            if (!failedWith(410, error)) {
                throw error;
            }
        }
        return { id: input.eventId, status: 'cancelled' as const };
    }
});

export default action;
