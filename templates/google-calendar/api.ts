import * as z from 'zod';

/** An event of a calendar. There is no model of it for several APIs: this is the only calendar here. */
export const Event = z.object({
    id: z.string(),
    title: z.string(),
    description: z.string().nullable(),
    location: z.string().nullable(),
    /** A date if the event is all day, else a time. */
    startsAt: z.string(),
    endsAt: z.string(),
    allDay: z.boolean(),
    organizer: z.string().nullable(),
    attendees: z.array(z.string()),
    status: z.enum(['confirmed', 'tentative']),
    /** RRULE lines; empty if the event happens once. */
    recurrence: z.array(z.string()),
    url: z.string(),
    updatedAt: z.string()
});

export type Event = z.infer<typeof Event>;

export interface GoogleTime {
    date?: string;
    dateTime?: string;
}

/** The parts of Google's event that we read. Of a cancelled one only id and status are sure. */
export interface GoogleEvent {
    id: string;
    status: 'confirmed' | 'tentative';
    summary?: string;
    description?: string;
    location?: string;
    start: GoogleTime;
    end: GoogleTime;
    organizer?: { email?: string };
    attendees?: { email: string }[];
    recurrence?: string[];
    htmlLink: string;
    updated: string;
}

export interface CancelledEvent {
    id: string;
    status: 'cancelled';
}

export function eventsPath(calendarId: string | undefined): string {
    return `/calendar/v3/calendars/${encodeURIComponent(calendarId ?? 'primary')}/events`;
}

/** Whether a request failed with this status. */
export function failedWith(status: number, error: unknown): boolean {
    return (error as { response?: { status?: number } } | null)?.response?.status === status;
}

export function toEvent(event: GoogleEvent): Event {
    return {
        id: event.id,
        title: event.summary ?? '',
        description: event.description ?? null,
        location: event.location ?? null,
        startsAt: event.start.dateTime ?? event.start.date ?? '',
        endsAt: event.end.dateTime ?? event.end.date ?? '',
        allDay: event.start.date !== undefined,
        organizer: event.organizer?.email ?? null,
        attendees: event.attendees?.map((attendee) => attendee.email) ?? [],
        status: event.status,
        recurrence: event.recurrence ?? [],
        url: event.htmlLink,
        updatedAt: event.updated
    };
}
