import { type Contact } from '../models/contact.js';
import { type Ticket } from '../models/ticket.js';

/** The version of the API these functions were written for. */
export const HEADERS = { 'Intercom-Version': '2.11' };

/** The parts of Intercom's contact that we read; times are in seconds. */
export interface IntercomContact {
    id: string;
    name: string | null;
    email: string | null;
    phone: string | null;
    created_at: number;
    updated_at: number;
}

/** The parts of Intercom's conversation that we read. */
export interface IntercomConversation {
    id: string;
    title: string | null;
    state: 'open' | 'closed' | 'snoozed';
    priority: 'priority' | 'not_priority';
    source: { subject: string | null; body: string | null };
    contacts: { contacts: { id: string }[] };
    admin_assignee_id: number | null;
    tags: { tags: { name: string }[] };
    created_at: number;
    updated_at: number;
}

function isoTime(seconds: number): string {
    return new Date(seconds * 1000).toISOString();
}

/** Intercom writes HTML also where there is one line; we keep the words. */
function toText(html: string | null): string | null {
    if (html === null) {
        return null;
    }
    const words = html.replace(/<br\s*\/?>|<\/p>/gi, '\n').replace(/<[^>]*>/g, '');
    return words.replace(/&lt;/g, '<').replace(/&gt;/g, '>').replace(/&quot;/g, '"').replace(/&amp;/g, '&').trim();
}

export function toContact(contact: IntercomContact): Contact {
    return {
        id: contact.id,
        name: contact.name,
        email: contact.email,
        phone: contact.phone,
        company: null,
        createdAt: isoTime(contact.created_at),
        updatedAt: isoTime(contact.updated_at)
    };
}

const STATUS: Record<IntercomConversation['state'], Ticket['status']> = {
    open: 'open',
    snoozed: 'pending',
    closed: 'closed'
};

export function toTicket(conversation: IntercomConversation): Ticket {
    return {
        id: conversation.id,
        title: conversation.title ?? toText(conversation.source.subject) ?? '',
        description: toText(conversation.source.body),
        status: STATUS[conversation.state],
        priority: conversation.priority === 'priority' ? 'high' : 'normal',
        requesterId: conversation.contacts.contacts[0]?.id ?? null,
        assigneeId: conversation.admin_assignee_id === null ? null : String(conversation.admin_assignee_id),
        tags: conversation.tags.tags.map((tag) => tag.name),
        createdAt: isoTime(conversation.created_at),
        updatedAt: isoTime(conversation.updated_at)
    };
}
