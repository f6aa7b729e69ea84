import { createSync } from 'nango';
import * as z from 'zod';
import { File } from '../../models/file.js';
import { type DriveFile, FILE_FIELDS, toFile } from '../api.js';

interface Changes {
    changes: { fileId?: string; removed?: boolean; file?: DriveFile }[];
    nextPageToken?: string;
    newStartPageToken?: string;
}

const sync = createSync({
    description: 'Files and folders the user can see: all of them first, then what has changed or gone',
    version: '1.0.0',
    frequency: 'every 10 minutes',
    autoStart: true,
    scopes: ['https://www.googleapis.com/auth/drive.metadata.readonly'],
    models: { File },
    checkpoint: z.object({ pageToken: z.string() }),
    exec: async (nango) => {
        let pageToken = (await nango.getCheckpoint())?.pageToken;
        if (!pageToken) {
            // Taken before the list is read, so that nothing which changes meanwhile is missed.
            const { data: start } = await nango.get<{ startPageToken: string }>({
                endpoint: '/drive/v3/changes/startPageToken',
                retries: 5
            });
            for await (const page of nango.paginate<DriveFile>({
                endpoint: '/drive/v3/files',
                params: { q: 'trashed = false', fields: `nextPageToken,files(${FILE_FIELDS})` },
                paginate: { response_path: 'files', limit_name_in_request: 'pageSize', limit: 1000 },
                retries: 5
            })) {
                await nango.batchSave(page.map(toFile), 'File');
            }
            pageToken = start.startPageToken;
            await nango.saveCheckpoint({ pageToken });
        }
        // Not `paginate`: the last page carries the token for next time, and a page may be empty.
        for (;;) {
            const { data }: { data: Changes } = await nango.get<Changes>({
                endpoint: '/drive/v3/changes',
                params: {
                    pageToken,
                    pageSize: '1000',
                    fields: `nextPageToken,newStartPageToken,changes(fileId,removed,file(${FILE_FIELDS}))`
                },
                retries: 5
            });
            const kept = data.changes.flatMap(({ file }) => (file && !file.trashed ? file : []));
            const gone = data.changes.filter(({ file, removed }) => removed || file?.trashed);
            await nango.batchSave(kept.map(toFile), 'File');
            await nango.batchDelete(
                gone.flatMap(({ fileId }) => (fileId ? { id: fileId } : [])),
                'File'
            );
            const next: string | undefined = data.nextPageToken ?? data.newStartPageToken;
            if (next) {
                pageToken = next;
                await nango.saveCheckpoint({ pageToken });
            }
            if (!data.nextPageToken) {
                return;
            }
        }
    }
});

export default sync;
