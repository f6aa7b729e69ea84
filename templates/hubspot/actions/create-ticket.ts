import { createAction } from 'nango';
import * as z from 'zod';
import { Ticket } from '../../models/ticket.js';
import { type HubspotObject, toTicket } from '../api.js';

const Input = z.object({
    title: z.string().trim().min(1),
    description: z.string().optional(),
    priority: z.enum(['low', 'normal', 'high', 'urgent']).optional(),
    /** Ids of pipeline and stage; `0` and `1` are the first ones of every account. */
    pipeline: z.string().regex(/^\d+$/),
    stage: z.string().regex(/^\d+$/),
    contactId: z.string().regex(/^\d+$/).optional()
});

const PRIORITY = { low: 'LOW', normal: 'MEDIUM', high: 'HIGH', urgent: 'URGENT' };

/** HubSpot's number for "the contact who opened this ticket". */
const TICKET_TO_CONTACT = 16;

const action = createAction({
    description: 'Opens a ticket, for a contact if there is one',
    version: '1.0.0',
    scopes: ['tickets'],
    input: Input,
    output: Ticket,
    exec: async (nango, raw) => {
        const { data: input } = await nango.zodValidateInput({ zodSchema: Input, input: raw });
        const { data } = await nango.post<HubspotObject>({
            endpoint: '/crm/v3/objects/tickets',
            data: {
                properties: {
                    subject: input.title,
                    content: input.description,
                    hs_pipeline: input.pipeline,
                    hs_pipeline_stage: input.stage,
                    hs_ticket_priority: input.priority && PRIORITY[input.priority]
                },
                associations: input.contactId
                    ? [
                          {
                              to: { id: input.contactId },
                              types: [{ associationCategory: 'HUBSPOT_DEFINED', associationTypeId: TICKET_TO_CONTACT }]
                          }
                      ]
                    : []
            },
            // Sent again, it could open a second ticket.
            retries: 0
        });
        return { ...toTicket(data), requesterId: input.contactId ?? null };
    }
});

export default action;
