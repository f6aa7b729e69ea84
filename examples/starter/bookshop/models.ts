import { z } from 'zod';

/** An order as the rest of your app knows it. */
export const Order = z.object({
    id: z.string(),
    customer: z.string(),
    total_cents: z.number(),
    placed_at: z.string()
});

/** An order as the bookshop's API writes it. */
export interface BookshopOrder {
    number: number;
    customer: { name: string };
    total: string;
    placed_at: string;
}

export function toOrder(order: BookshopOrder): z.infer<typeof Order> {
    return {
        id: String(order.number),
        customer: order.customer.name,
        total_cents: Math.round(Number(order.total) * 100),
        placed_at: order.placed_at
    };
}
