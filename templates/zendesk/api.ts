import { type Contact } from '../models/contact.js';
import { type Ticket } from '../models/ticket.js';

/** The parts of Zendesk's ticket that we read. */
export interface ZendeskTicket {
    id: number;
    subject: string | null;
    description: string | null;
    status: 'new' | 'open' | 'pending' | 'hold' | 'solved' | 'closed' | 'deleted';
    priority: 'low' | 'normal' | 'high' | 'urgent' | null;
    requester_id: number | null;
    assignee_id: number | null;
    tags: string[];
    created_at: string;
    updated_at: string;
}

/** The parts of Zendesk's user that we read. */
export interface ZendeskUser {
    id: number;
    name: string;
    email: string | null;
    phone: string | null;
    created_at: string;
    updated_at: string;
}

const STATUS: Record<ZendeskTicket['status'], Ticket['status']> = {
    new: 'open',
    open: 'open',
    pending: 'pending',
    hold: 'pending',
    solved: 'closed',
    closed: 'closed',
    deleted: 'closed'
};

export function toTicket(ticket: ZendeskTicket): Ticket {
    return {
        id: String(ticket.id),
        title: ticket.subject ?? '',
        description: ticket.description,
        status: STATUS[ticket.status],
        priority: ticket.priority,
        requesterId: ticket.requester_id === null ? null : String(ticket.requester_id),
        assigneeId: ticket.assignee_id === null ? null : String(ticket.assignee_id),
        tags: ticket.tags,
        createdAt: ticket.created_at,
        updatedAt: ticket.updated_at
    };
}

export function toContact(user: ZendeskUser): Contact {
    return {
        id: String(user.id),
        name: user.name,
        email: user.email,
        phone: user.phone,
        company: null,
        createdAt: user.created_at,
        updatedAt: user.updated_at
    };
}
