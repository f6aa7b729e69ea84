import { createAction } from 'nango';
import * as z from 'zod';
import { form, writeHeaders } from '../api.js';

const Input = z.object({
    paymentIntent: z.string().regex(/^pi_\w+$/),
    /** In the smallest unit of the currency; all of it unless given. */
    amount: z.number().int().positive().optional(),
    reason: z.enum(['duplicate', 'fraudulent', 'requested_by_customer']).optional(),
    /** The same key within a day refunds once. */
    idempotencyKey: z.string().min(1).max(255)
});

const Output = z.object({
    id: z.string(),
    amount: z.number(),
    currency: z.string(),
    status: z.enum(['pending', 'requires_action', 'succeeded'])
});

interface StripeRefund {
    id: string;
    amount: number;
    currency: string;
    status: z.infer<typeof Output>['status'] | 'failed' | 'canceled';
    failure_reason?: string;
}

const action = createAction({
    description: 'Refunds a payment or a part of it, once for each idempotency key',
    version: '1.0.0',
    scopes: ['read_write'],
    input: Input,
    output: Output,
    exec: async (nango, raw) => {
        const { data: input } = await nango.zodValidateInput({ zodSchema: Input, input: raw });
        const { data: refund } = await nango.post<StripeRefund>({
            endpoint: '/v1/refunds',
            headers: writeHeaders(input.idempotencyKey),
            data: form({ payment_intent: input.paymentIntent, amount: input.amount, reason: input.reason }),
            retries: 3
        });
        const { id, amount, currency, status } = refund;
        if (status === 'failed' || status === 'canceled') {
            throw new nango.ActionError({
                code: 'not_refunded',
                message: `refund ${id} of ${input.paymentIntent} ${status}: ${refund.failure_reason ?? 'no reason given'}`
            });
        }
        return { id, amount, currency, status };
    }
});

export default action;
