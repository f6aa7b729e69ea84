import * as z from 'zod';
import { type Contact } from '../models/contact.js';

/** Root of the API, in the version these functions were written for. */
export const API = '/services/data/v62.0';

/** A Salesforce id: 15 characters, or 18 with the checksum. */
export const SalesforceId = z.string().regex(/^[a-zA-Z0-9]{15}([a-zA-Z0-9]{3})?$/);

/** The fields of a contact that we read. */
export const CONTACT_FIELDS = 'Id, Name, Email, Phone, Account.Name, CreatedDate, SystemModstamp, IsDeleted';

export interface SalesforceContact {
    Id: string;
    Name: string | null;
    Email: string | null;
    Phone: string | null;
    Account: { Name: string } | null;
    CreatedDate: string;
    SystemModstamp: string;
    IsDeleted: boolean;
}

/** Salesforce writes `+0000` for UTC and reads only `Z` or `+00:00`. */
export function isoTime(time: string): string {
    return time.replace('+0000', 'Z');
}

export function toContact(contact: SalesforceContact): Contact {
    return {
        id: contact.Id,
        name: contact.Name,
        email: contact.Email,
        phone: contact.Phone,
        company: contact.Account?.Name ?? null,
        createdAt: isoTime(contact.CreatedDate),
        updatedAt: isoTime(contact.SystemModstamp)
    };
}
