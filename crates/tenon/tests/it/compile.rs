//! `tenon compile`.

use crate::project::{CLOSE, Project, TICKETS};

#[test]
fn a_sound_project_compiles() {
    let ran = Project::new().run(&["compile"]);
    assert_eq!(ran.code, 0, "{ran:?}");
    let lines: Vec<&str> = ran
        .out
        .lines()
        .map(|line| line.split(" (").next().unwrap())
        .collect();
    assert_eq!(
        lines,
        [
            "sync      desk/tickets",
            "action    desk/close-ticket",
            "on-event  desk/welcome",
            "3 functions compiled"
        ]
    );
}

#[test]
fn what_is_wrong_is_shown_with_its_place() {
    let project = Project::new();
    project.write(
        "desk/actions/close-ticket.ts",
        &CLOSE.replace(
            "import { z } from 'zod';",
            "import { z } from 'zod';\nimport fs from 'fs';\nfs.rmSync('/');",
        ),
    );
    let ran = project.run(&["compile"]);
    assert_eq!(ran.code, 10);
    assert_eq!(
        ran.err,
        "desk/actions/close-ticket.ts:3:16: functions cannot import `fs`
  3 | import fs from 'fs';
    |                ^^^^
  hint: functions run in a sandbox without files and processes\n"
    );
}

#[test]
fn definitions_are_checked() {
    let cases = [
        (
            "frequency: 'every 5 minutes'",
            "frequency: 'often'",
            "frequency `often`: ",
        ),
        ("models: { Ticket }", "models: {}", "a sync needs `models`"),
        (
            "id: z.string(), title",
            "title",
            "model `Ticket` needs a string `id`",
        ),
        (
            "models: { Ticket }",
            "models: { '1st': Ticket }",
            "`1st` is not a name for a model",
        ),
        (
            "description: 'Copies tickets',",
            "",
            "a function needs a `description`",
        ),
        (
            "models: { Ticket }",
            "models: { Ticket: { id: 'string' } }",
            "model `Ticket` must be a zod schema",
        ),
    ];
    for (old, new, expected) in cases {
        let project = Project::new();
        project.write("desk/syncs/tickets.ts", &TICKETS.replace(old, new));
        let ran = project.run(&["compile"]);
        assert_eq!(ran.code, 10, "{new}: {ran:?}");
        assert!(
            ran.err.starts_with("desk/syncs/tickets.ts:")
                && ran.err.contains(&format!(": {expected}")),
            "{new}: {}",
            ran.err
        );
    }
}

#[test]
fn a_file_that_throws_while_loading_is_named_with_its_line() {
    let project = Project::new();
    project.write(
        "desk/mappers/to-ticket.ts",
        "export type A = string;\n\nexport const toTicket: any = (null as any).x;\n",
    );
    let ran = project.run(&["compile"]);
    assert_eq!(ran.code, 10);
    assert!(
        ran.err.starts_with("desk/mappers/to-ticket.ts:3:"),
        "{}",
        ran.err
    );
    assert!(ran.err.contains("TypeError"), "{}", ran.err);
}

#[test]
fn an_endless_loop_ends() {
    let project = Project::new();
    project.write(
        "desk/actions/close-ticket.ts",
        &format!("{CLOSE}\nfunction deep(): void {{ deep(); }}\ndeep();\n"),
    );
    let ran = project.run(&["compile"]);
    assert_eq!(ran.code, 10);
    assert!(ran.err.contains("loading this file failed"), "{}", ran.err);
}

#[test]
fn two_functions_cannot_claim_one_model() {
    let project = Project::new();
    project.write("desk/syncs/again.ts", TICKETS);
    project.write(
        "index.ts",
        "import './desk/syncs/tickets.js';\nimport './desk/syncs/again.js';\n",
    );
    let ran = project.run(&["compile"]);
    assert_eq!(ran.code, 10);
    assert!(
        ran.err
            .contains("model `Ticket` belongs to `desk/syncs/tickets.ts` already"),
        "{}",
        ran.err
    );
}

#[test]
fn a_folder_without_manifest_is_no_project() {
    let project = Project::new();
    std::fs::remove_file(project.root().join("index.ts")).unwrap();
    let ran = project.run(&["compile"]);
    assert_eq!(ran.code, 10);
    assert!(ran.err.contains("it has no index.ts"), "{}", ran.err);
}

#[test]
fn types_are_checked_by_the_compiler_of_the_project() {
    let project = Project::new();
    project.fake_tsc(
        "desk/syncs/tickets.ts(2,10): error TS2305: Module 'zod' has no exported member 'z'.",
    );
    let ran = project.run(&["compile"]);
    assert_eq!(ran.code, 10, "{ran:?}");
    assert_eq!(
        ran.err,
        "desk/syncs/tickets.ts:2:10: Module 'zod' has no exported member 'z' (TS2305)
  2 | import { z } from 'zod';
    |          ^\n"
    );
    assert_eq!(project.run(&["compile", "--no-type-check"]).code, 0);
}
