//! `tenon init` and `tenon generate`.

use std::fs;

use crate::project::Project;

#[test]
fn a_new_project_compiles_and_replays_its_recordings() {
    let project = Project::empty();
    let ran = project.run(&["init", "integrations"]);
    assert_eq!(ran.code, 0, "{ran:?}");
    let folder = project.root().join("integrations");
    assert!(folder.join(".nango/nango.json").is_file());
    let ran = project.run(&["compile", "integrations"]);
    assert_eq!((ran.code, ran.err.as_str()), (0, ""), "{ran:?}");
    let ran = project.run(&["test", "integrations"]);
    assert_eq!(
        (ran.code, ran.out.as_str()),
        (0, "2 passed, 0 failed\n"),
        "{ran:?}"
    );
}

#[test]
fn a_folder_with_a_project_is_left_as_it_is() {
    let project = Project::new();
    let ran = project.run(&["init"]);
    assert_eq!(ran.code, 1);
    assert_eq!(
        ran.err,
        "error: `.` holds index.ts already; nothing was written\nhint: `tenon init DIR` makes the project in another folder\n"
    );
    let index = fs::read_to_string(project.root().join("index.ts")).unwrap();
    assert_eq!(index, crate::project::INDEX);
    assert!(!project.root().join("package.json").exists());

    let old = Project::empty();
    old.write("nango.yaml", "integrations: {}\n");
    let ran = old.run(&["init"]);
    assert_eq!(ran.code, 1);
    assert!(ran.err.contains("tenon migrate"), "{}", ran.err);
}

#[test]
fn generated_functions_compile() {
    let project = Project::new();
    for (name, kind) in [
        ("people", "--sync"),
        ("rename", "--action"),
        ("bye", "--on-event"),
    ] {
        let ran = project.run(&["generate", "function", "crm", name, kind]);
        assert_eq!(ran.code, 0, "{ran:?}");
    }
    // The published command line calls it so.
    assert_eq!(project.run(&["create", "crm", "deals"]).code, 0);
    let ran = project.run(&["compile", "--no-write"]);
    assert_eq!(ran.code, 0, "{}", ran.err);
    for line in [
        "sync      crm/people",
        "action    crm/rename",
        "on-event  crm/bye",
        "sync      crm/deals",
    ] {
        assert!(ran.out.contains(line), "{line}: {}", ran.out);
    }
    let again = project.run(&["create", "crm", "deals"]);
    assert_eq!(
        (again.code, again.err.as_str()),
        (
            1,
            "error: `crm/syncs/deals.ts` exists already; nothing was written\n"
        )
    );
    let strange = project.run(&["create", "../crm", "deals"]);
    assert_eq!(strange.code, 1);
    assert!(
        strange.err.contains("is not a name for an integration"),
        "{}",
        strange.err
    );
}

#[test]
fn types_are_written_for_apps() {
    let project = Project::new();
    let ran = project.run(&["generate", "types"]);
    assert_eq!(ran.code, 0, "{ran:?}");
    assert!(
        ran.out.contains(
            "export type Ticket = {\n    id: string;\n    title: string;\n    closedAt?: string;\n};\n"
        ),
        "{}",
        ran.out
    );
}

#[test]
fn pages_and_tests_are_written_beside_functions() {
    let project = Project::new();
    project.write("desk/tests/close-ticket.test.json", "{}");
    project.write(
        "package.json",
        "{\"name\":\"mine\",\"devDependencies\":{\"zod\":\"4.3.6\"}}",
    );
    assert_eq!(project.run(&["generate:docs", "-p", "pages"]).code, 0);
    let page = fs::read_to_string(project.root().join("pages/desk/syncs/tickets.md")).unwrap();
    for line in [
        "# tickets",
        "| Runs | every 5 minutes |",
        "| `title` | `string` | yes |  |",
    ] {
        assert!(page.contains(line), "{line}: {page}");
    }
    let ran = project.run(&["generate:tests"]);
    assert_eq!(ran.code, 0, "{ran:?}");
    assert!(ran.out.ends_with("1 tests written\n"), "{}", ran.out);
    assert!(
        ran.out.contains("skip desk/tickets: no fixture"),
        "{}",
        ran.out
    );
    let test = project.root().join("desk/tests/desk-close-ticket.test.ts");
    assert!(
        fs::read_to_string(test)
            .unwrap()
            .contains("../actions/close-ticket.js")
    );
    let package = fs::read_to_string(project.root().join("package.json")).unwrap();
    assert!(package.contains("\"vitest\""), "{package}");
    assert!(package.contains("\"name\": \"mine\""), "{package}");
}
