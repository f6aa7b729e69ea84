import { createAction } from 'nango';
import * as z from 'zod';

const Input = z.object({
    fileId: z.string().regex(/^[\w-]+$/),
    email: z.email(),
    role: z.enum(['reader', 'commenter', 'writer']),
    /** Whether Google writes to the person. */
    notify: z.boolean(),
    message: z.string().optional()
});

const action = createAction({
    description: 'Lets a person read, comment or edit a file or folder',
    version: '1.0.0',
    scopes: ['https://www.googleapis.com/auth/drive.file'],
    input: Input,
    output: z.object({ permissionId: z.string(), role: z.string() }),
    exec: async (nango, raw) => {
        const { data: input } = await nango.zodValidateInput({ zodSchema: Input, input: raw });
        if (input.message !== undefined && !input.notify) {
            throw new nango.ActionError({
                code: 'message_without_notification',
                message: 'a `message` is only sent with `notify: true`'
            });
        }
        const { data } = await nango.post<{ id: string; role: string }>({
            endpoint: `/drive/v3/files/${input.fileId}/permissions`,
            params: {
                fields: 'id,role',
                sendNotificationEmail: String(input.notify),
                ...(input.message === undefined ? {} : { emailMessage: input.message })
            },
            data: { type: 'user', role: input.role, emailAddress: input.email },
            // Sharing twice is sharing once, but the mail would be sent twice.
            retries: input.notify ? 0 : 3
        });
        return { permissionId: data.id, role: data.role };
    }
});

export default action;
