import { type File } from '../models/file.js';

const FOLDER = 'application/vnd.google-apps.folder';

/** What to answer with: Drive gives only id and name unless told. */
export const FILE_FIELDS = 'id,name,mimeType,size,parents,webViewLink,createdTime,modifiedTime,trashed';

/** The parts of Drive's file that we read. */
export interface DriveFile {
    id: string;
    name: string;
    mimeType: string;
    /** In bytes, as text; documents of Google's own have none. */
    size?: string;
    parents?: string[];
    webViewLink?: string;
    createdTime: string;
    modifiedTime: string;
    trashed: boolean;
}

/** What to send to create a folder. */
export function folder(name: string, parentId: string | undefined): object {
    return { name, mimeType: FOLDER, parents: parentId ? [parentId] : undefined };
}

export function toFile(file: DriveFile): File {
    return {
        id: file.id,
        name: file.name,
        kind: file.mimeType === FOLDER ? 'folder' : 'file',
        mimeType: file.mimeType,
        sizeBytes: file.size === undefined ? null : Number(file.size),
        parentId: file.parents?.[0] ?? null,
        url: file.webViewLink ?? null,
        createdAt: file.createdTime,
        updatedAt: file.modifiedTime
    };
}
