import { type Contact, fullName } from '../models/contact.js';
import { type Ticket } from '../models/ticket.js';

/** HubSpot's objects all look like this; values are texts. */
export interface HubspotObject {
    id: string;
    properties: Record<string, string | null | undefined>;
    createdAt: string;
    updatedAt: string;
}

export const CONTACT_PROPERTIES = ['email', 'firstname', 'lastname', 'phone', 'company'];

export const TICKET_PROPERTIES = [
    'subject',
    'content',
    'closed_date',
    'hs_ticket_priority',
    'hubspot_owner_id'
];

const PRIORITY: Record<string, Ticket['priority']> = { LOW: 'low', MEDIUM: 'normal', HIGH: 'high', URGENT: 'urgent' };

export function toContact({ id, properties, createdAt, updatedAt }: HubspotObject): Contact {
    return {
        id,
        name: fullName(properties['firstname'], properties['lastname']),
        email: properties['email'] ?? null,
        phone: properties['phone'] ?? null,
        company: properties['company'] ?? null,
        createdAt,
        updatedAt
    };
}

export function toTicket({ id, properties, createdAt, updatedAt }: HubspotObject): Ticket {
    return {
        id,
        title: properties['subject'] ?? '',
        description: properties['content'] ?? null,
        // Stages differ between pipelines; that a closed ticket has a date does not.
        status: properties['closed_date'] ? 'closed' : 'open',
        priority: PRIORITY[properties['hs_ticket_priority'] ?? ''] ?? null,
        requesterId: null,
        assigneeId: properties['hubspot_owner_id'] ?? null,
        tags: [],
        createdAt,
        updatedAt
    };
}
