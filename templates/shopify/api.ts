import type { NangoAction } from 'nango';
import * as z from 'zod';
import { type Contact } from '../models/contact.js';

/** The Admin API, in the version these functions were written for. */
const ENDPOINT = '/admin/api/2025-07/graphql.json';

/** How often a throttled query is tried, first time included. */
const ATTEMPTS = 6;

export const CustomerId = z.string().regex(/^gid:\/\/shopify\/Customer\/\d+$/);

/** The fields of a customer that we read. */
export const CUSTOMER_FIELDS = `id displayName createdAt updatedAt defaultAddress { company }
    defaultEmailAddress { emailAddress } defaultPhoneNumber { phoneNumber }`;

export interface ShopifyCustomer {
    id: string;
    displayName: string;
    createdAt: string;
    updatedAt: string;
    defaultAddress: { company: string | null } | null;
    defaultEmailAddress: { emailAddress: string } | null;
    defaultPhoneNumber: { phoneNumber: string } | null;
}

export type UserErrors = { field: string[] | null; message: string }[];

interface Answer<T> {
    data?: T | null;
    errors?: { message: string; extensions?: { code?: string } }[];
    extensions?: {
        cost?: { requestedQueryCost: number; throttleStatus: { currentlyAvailable: number; restoreRate: number } };
    };
}

/** Runs a GraphQL document. A throttled one waits for its points; what Shopify refuses becomes an error in its words. */
export async function graphql<T>(
    nango: Pick<NangoAction, 'post' | 'ActionError'>,
    query: string,
    variables: object,
    retries: number
): Promise<T> {
    for (let attempt = 1; ; attempt += 1) {
        const { data: answer } = await nango.post<Answer<T>>({ endpoint: ENDPOINT, data: { query, variables }, retries });
        // Throttled documents have status 200 and did nothing, so that also a mutation may be sent again.
        const throttled = answer.errors?.some((error) => error.extensions?.code === 'THROTTLED') ?? false;
        if (throttled && attempt < ATTEMPTS) {
            await new Promise((resolve) => setTimeout(resolve, waitMs(answer)));
            continue;
        }
        if (answer.errors?.length || !answer.data) {
            const reasons = answer.errors?.map((error) => error.message).join('; ') ?? 'no data';
            throw new nango.ActionError({ code: 'refused', message: `Shopify refused: ${reasons}` });
        }
        return answer.data;
    }
}

function waitMs<T>({ extensions }: Answer<T>): number {
    if (!extensions?.cost) {
        return 2000;
    }
    const { requestedQueryCost, throttleStatus } = extensions.cost;
    const missing = requestedQueryCost - throttleStatus.currentlyAvailable;
    return Math.max(Math.ceil((missing / throttleStatus.restoreRate) * 1000), 500);
}

/** Throws what a mutation says about its input. */
export function refuseUserErrors(nango: Pick<NangoAction, 'ActionError'>, errors: UserErrors): void {
    if (errors.length > 0) {
        const reasons = errors.map(({ field, message }) => (field ? `${field.join('.')}: ${message}` : message));
        throw new nango.ActionError({ code: 'invalid', message: `Shopify refused: ${reasons.join('; ')}` });
    }
}

export function toContact(customer: ShopifyCustomer): Contact {
    return {
        id: customer.id,
        name: customer.displayName || null,
        email: customer.defaultEmailAddress?.emailAddress ?? null,
        phone: customer.defaultPhoneNumber?.phoneNumber ?? null,
        company: customer.defaultAddress?.company ?? null,
        createdAt: customer.createdAt,
        updatedAt: customer.updatedAt
    };
}
