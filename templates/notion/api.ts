import { type File } from '../models/file.js';
import { type User } from '../models/user.js';

type RichText = { plain_text: string }[];

/** The parts of Notion's page that we read. */
export interface NotionPage {
    id: string;
    created_time: string;
    last_edited_time: string;
    parent: { type: string; page_id?: string; database_id?: string };
    properties: Record<string, { type: string; title?: RichText }>;
    url: string;
}

/** The parts of Notion's user that we read. */
export interface NotionUser {
    id: string;
    name: string | null;
    avatar_url: string | null;
    person?: { email?: string };
}

export function toFile(page: NotionPage): File {
    // The property that holds the title has another name in each database, but always this type.
    const title = Object.values(page.properties).find((property) => property.type === 'title')?.title ?? [];
    return {
        id: page.id,
        name: title.map((text) => text.plain_text).join('') || 'Untitled',
        kind: 'page',
        mimeType: null,
        sizeBytes: null,
        parentId: page.parent.page_id ?? page.parent.database_id ?? null,
        url: page.url,
        createdAt: page.created_time,
        updatedAt: page.last_edited_time
    };
}

export function toUser(user: NotionUser): User {
    return {
        id: user.id,
        name: user.name ?? '',
        email: user.person?.email ?? null,
        avatarUrl: user.avatar_url,
        active: true
    };
}

/** One paragraph block for each paragraph, in pieces no longer than Notion takes. */
export function toParagraphs(paragraphs: string[]): object[] {
    return paragraphs.map((paragraph) => ({
        object: 'block',
        type: 'paragraph',
        paragraph: {
            rich_text: (paragraph.match(/[^]{1,2000}/g) ?? []).map((content) => ({ type: 'text', text: { content } }))
        }
    }));
}
