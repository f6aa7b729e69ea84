import type { NangoAction } from 'nango';
import * as z from 'zod';
import { type Issue } from '../models/issue.js';

/** `ENG-7` */
export const IssueKey = z.string().regex(/^[A-Z][A-Z0-9_]+-\d+$/);
export const ProjectKey = z.string().regex(/^[A-Z][A-Z0-9_]+$/);

/** The fields of an issue that we read. */
export const FIELDS = 'summary,description,status,assignee,labels,created,updated';

/** Atlassian's document format: a tree whose leaves have text. */
export interface Document {
    type: string;
    text?: string;
    content?: Document[];
}

export interface JiraIssue {
    id: string;
    key: string;
    fields: {
        summary: string;
        description: Document | null;
        status: { statusCategory: { key: string } };
        assignee: { displayName: string } | null;
        labels: string[];
        created: string;
        updated: string;
    };
}

/** Where the connection's site is: paths of its API begin with `api`, its pages with `web`. */
export interface Site {
    api: string;
    web: string;
}

export async function findSite(nango: Pick<NangoAction, 'getConnection' | 'get' | 'ActionError'>): Promise<Site> {
    const { connection_config: config } = await nango.getConnection();
    const cloudId: unknown = config['cloudId'];
    if (typeof cloudId !== 'string') {
        throw new nango.ActionError({
            code: 'no_site',
            message: 'the connection has no `cloudId` in its connection config: reconnect it'
        });
    }
    const api = `/ex/jira/${cloudId}/rest/api/3`;
    const { data } = await nango.get<{ baseUrl: string }>({ endpoint: `${api}/serverInfo`, retries: 5 });
    return { api, web: data.baseUrl };
}

/** Jira writes offsets without a colon, which not every reader takes. */
export function isoTime(time: string): string {
    return new Date(time.replace(/([+-]\d\d)(\d\d)$/, '$1:$2')).toISOString();
}

/** Paragraphs of plain text as a document. */
export function toDocument(text: string): object {
    const paragraphs = text.split(/\n{2,}/).filter((paragraph) => paragraph.trim() !== '');
    return {
        type: 'doc',
        version: 1,
        content: paragraphs.map((paragraph) => ({ type: 'paragraph', content: [{ type: 'text', text: paragraph }] }))
    };
}

const BLOCKS = new Set(['paragraph', 'heading', 'codeBlock', 'listItem', 'tableRow']);

function toText(node: Document): string {
    if (node.type === 'hardBreak') {
        return '\n';
    }
    const inside = (node.content ?? []).map(toText).join('');
    return (node.text ?? '') + inside + (BLOCKS.has(node.type) && !inside.endsWith('\n') ? '\n' : '');
}

const STATUS: Record<string, Issue['status']> = { indeterminate: 'in_progress', done: 'done' };

export function toIssue({ id, key, fields }: JiraIssue, site: Site): Issue {
    return {
        id,
        key,
        title: fields.summary,
        description: fields.description && toText(fields.description).trim(),
        // Names of statuses differ between projects, their categories do not.
        status: STATUS[fields.status.statusCategory.key] ?? 'open',
        assignee: fields.assignee?.displayName ?? null,
        labels: fields.labels,
        url: `${site.web}/browse/${key}`,
        createdAt: isoTime(fields.created),
        updatedAt: isoTime(fields.updated)
    };
}
