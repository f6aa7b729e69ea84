//! A small project of our own, in a folder that disappears.

use std::{
    fs,
    path::Path,
    process::{Command, Output},
};

use tempfile::TempDir;

pub(crate) const TICKETS: &str = r#"import { createSync } from 'nango';
import { z } from 'zod';
import { toTicket } from '../mappers/to-ticket.js';

const Ticket = z.object({ id: z.string(), title: z.string(), closedAt: z.date().optional() });

const sync = createSync({
    description: 'Copies tickets',
    version: '1.2.0',
    frequency: 'every 5 minutes',
    autoStart: true,
    models: { Ticket },
    metadata: z.object({ team: z.string() }),
    scopes: ['tickets:read'],
    exec: async (nango) => {
        const { team } = await nango.getMetadata();
        for await (const page of nango.paginate({
            endpoint: '/tickets',
            params: { team },
            paginate: { type: 'cursor', cursor_path_in_response: 'next', cursor_name_in_request: 'after', response_path: 'tickets' }
        })) {
            await nango.batchSave(page.map(toTicket), 'Ticket');
        }
    }
});

export type Exec = Parameters<(typeof sync)['exec']>[0];
export default sync;
"#;

pub(crate) const MAPPER: &str = r#"interface Raw { number: number; subject: string | null }

export function toTicket(raw: Raw) {
    return { id: String(raw.number), title: raw.subject ?? '(none)' };
}
"#;

pub(crate) const CLOSE: &str = r#"import { createAction } from 'nango';
import { z } from 'zod';

export default createAction({
    description: 'Closes a ticket',
    endpoint: { method: 'POST', path: '/tickets/close', group: 'Tickets' },
    input: z.object({ id: z.string() }),
    output: z.object({ closed: z.boolean(), at: z.string().optional() }),
    exec: async (nango, input) => {
        const response = await nango.put<{ state: string }>({ endpoint: `/tickets/${input.id}`, data: { state: 'closed' } });
        if (response.data.state !== 'closed') {
            throw new nango.ActionError({ message: 'still open', id: input.id });
        }
        return { closed: true, at: undefined };
    }
});
"#;

pub(crate) const WELCOME: &str = r#"import { createOnEvent } from 'nango';

export default createOnEvent({
    description: 'Says hello',
    event: 'post-connection-creation',
    exec: async (nango) => { await nango.log('hello'); }
});
"#;

pub(crate) const INDEX: &str = "import './desk/syncs/tickets.js';\nimport './desk/actions/close-ticket.js';\nimport './desk/on-events/welcome.js';\n";

pub(crate) struct Project(TempDir);

impl Project {
    /// The whole project.
    pub(crate) fn new() -> Self {
        let project = Self(tempfile::tempdir().unwrap());
        project.write("index.ts", INDEX);
        project.write("desk/syncs/tickets.ts", TICKETS);
        project.write("desk/mappers/to-ticket.ts", MAPPER);
        project.write("desk/actions/close-ticket.ts", CLOSE);
        project.write("desk/on-events/welcome.ts", WELCOME);
        project
    }

    /// An empty folder.
    pub(crate) fn empty() -> Self {
        Self(tempfile::tempdir().unwrap())
    }

    pub(crate) fn root(&self) -> &Path {
        self.0.path()
    }

    pub(crate) fn write(&self, path: &str, text: &str) {
        let path = self.root().join(path);
        fs::create_dir_all(path.parent().unwrap()).unwrap();
        fs::write(path, text).unwrap();
    }

    /// A TypeScript compiler that always has the same complaint.
    pub(crate) fn fake_tsc(&self, complaint: &str) {
        use std::os::unix::fs::PermissionsExt as _;
        let place = "node_modules/.bin/tsc";
        self.write(place, &format!("#!/bin/sh\necho \"{complaint}\"\nexit 2\n"));
        let path = self.root().join(place);
        fs::set_permissions(path, fs::Permissions::from_mode(0o755)).unwrap();
    }

    /// The command, with nothing of the caller's environment that it would look at.
    pub(crate) fn tenon(&self, arguments: &[&str]) -> Command {
        let mut command = Command::new(env!("CARGO_BIN_EXE_tenon"));
        command.current_dir(self.root()).args(arguments).env_clear();
        command
    }

    pub(crate) fn run(&self, arguments: &[&str]) -> Ran {
        Ran::of(self.tenon(arguments).output().unwrap())
    }
}

/// How a command ended.
#[derive(Debug)]
pub(crate) struct Ran {
    pub(crate) code: i32,
    pub(crate) out: String,
    pub(crate) err: String,
}

impl Ran {
    pub(crate) fn of(output: Output) -> Self {
        Self {
            code: output.status.code().unwrap_or(-1),
            out: String::from_utf8(output.stdout).unwrap(),
            err: String::from_utf8(output.stderr).unwrap(),
        }
    }
}
