import { createAction } from 'nango';
import * as z from 'zod';
import { File } from '../../models/file.js';
import { type DriveFile, FILE_FIELDS, folder, toFile } from '../api.js';

const Input = z.object({
    name: z.string().trim().min(1),
    /** The user's own drive unless given. */
    parentId: z.string().min(1).optional()
});

const action = createAction({
    description: 'Creates a folder',
    version: '1.0.0',
    scopes: ['https://www.googleapis.com/auth/drive.file'],
    input: Input,
    output: File,
    exec: async (nango, raw) => {
        const { data: input } = await nango.zodValidateInput({ zodSchema: Input, input: raw });
        const { data } = await nango.post<DriveFile>({
            endpoint: '/drive/v3/files',
            params: { fields: FILE_FIELDS },
            data: folder(input.name, input.parentId),
            // Drive allows two folders of one name: sent again, there would be two.
            retries: 0
        });
        return toFile(data);
    }
});

export default action;
