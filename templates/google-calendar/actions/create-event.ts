import { createAction } from 'nango';
import * as z from 'zod';
import { Event, eventsPath, type GoogleEvent, toEvent } from '../api.js';

const Input = z.object({
    /** The main calendar unless given. */
    calendarId: z.string().optional(),
    title: z.string().trim().min(1),
    description: z.string().optional(),
    location: z.string().optional(),
    startsAt: z.iso.datetime({ offset: true }),
    endsAt: z.iso.datetime({ offset: true }),
    attendees: z.array(z.email()).optional(),
    /** Whether Google writes an invitation to the attendees. */
    invite: z.boolean()
});

const action = createAction({
    description: 'Puts an event into a calendar and may invite people',
    version: '1.0.0',
    scopes: ['https://www.googleapis.com/auth/calendar.events'],
    input: Input,
    output: Event,
    exec: async (nango, raw) => {
        const { data: input } = await nango.zodValidateInput({ zodSchema: Input, input: raw });
        if (Date.parse(input.endsAt) <= Date.parse(input.startsAt)) {
            throw new nango.ActionError({ code: 'ends_before_it_starts', message: '`endsAt` must be after `startsAt`' });
        }
        const { data } = await nango.post<GoogleEvent>({
            endpoint: eventsPath(input.calendarId),
            params: { sendUpdates: input.invite ? 'all' : 'none' },
            data: {
                summary: input.title,
                description: input.description,
                location: input.location,
                start: { dateTime: input.startsAt },
                end: { dateTime: input.endsAt },
                attendees: input.attendees?.map((email) => ({ email }))
            },
            // Sent again, it could stand there twice.
            retries: 0
        });
        return toEvent(data);
    }
});

export default action;
