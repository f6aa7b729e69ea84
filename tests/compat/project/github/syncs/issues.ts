import { createSync } from 'nango';
import * as z from 'zod';
import { Issue, toIssue } from '../models.js';

const Metadata = z.object({ repository: z.string().optional() });

const sync = createSync({
    description: 'Issues of one repository, or of all that the account can see',
    frequency: 'every hour',
    autoStart: true,
    models: { Issue },
    metadata: Metadata,
    exec: async (nango) => {
        const metadata = await nango.getMetadata<{ repository?: string }>();
        let repositories: string[] = [];
        if (metadata?.repository) {
            repositories = [metadata.repository];
        } else {
            const response = await nango.get<{ full_name: string }[]>({ endpoint: '/user/repos', retries: 2 });
            repositories = response.data.map((repository) => repository.full_name);
        }
        for (const repository of repositories) {
            const pages = nango.paginate<{ id: number; number: number; title: string; state: string }>({
                endpoint: `/repos/${repository}/issues`,
                params: { state: 'all' },
                paginate: { type: 'link', link_rel_in_response_header: 'next', limit_name_in_request: 'per_page', limit: 50 },
                retries: 2
            });
            for await (const page of pages) {
                await nango.batchSave(
                    page.map((issue) => toIssue(repository, issue)),
                    'Issue'
                );
            }
        }
    }
});

export default sync;
