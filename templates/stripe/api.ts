import { type Contact } from '../models/contact.js';

/** Headers of every request: the version of the API these functions were written for. */
export const HEADERS = { 'Stripe-Version': '2024-06-20' };

/** Headers of a request that changes something; Stripe does it once for each key and reads forms, not JSON. */
export function writeHeaders(idempotencyKey: string): Record<string, string> {
    return { ...HEADERS, 'Content-Type': 'application/x-www-form-urlencoded', 'Idempotency-Key': idempotencyKey };
}

/** A form body of the fields that are there. */
export function form(fields: Record<string, string | number | undefined>): string {
    const given = Object.entries(fields).flatMap(([name, value]) => (value === undefined ? [] : [[name, String(value)]]));
    return new URLSearchParams(given).toString();
}

/** The parts of Stripe's customer that we read; `created` is in seconds. */
export interface StripeCustomer {
    id: string;
    name?: string | null;
    email?: string | null;
    phone?: string | null;
    created: number;
}

export function toContact(customer: StripeCustomer): Contact {
    return {
        id: customer.id,
        name: customer.name ?? null,
        email: customer.email ?? null,
        phone: customer.phone ?? null,
        company: null,
        createdAt: new Date(customer.created * 1000).toISOString(),
        // Stripe does not say.
        updatedAt: null
    };
}
