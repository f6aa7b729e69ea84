//! The project in this folder.

use std::path::Path;

use super::{Finding, State};
use crate::commands::compile::{CompileProjectError, Selection, compile_project};

pub(super) fn look() -> Vec<Finding> {
    const WHAT: &str = "project";
    let root = Path::new(".");
    if !root.join("index.ts").exists() {
        let finding = if root.join("nango.yaml").exists() {
            Finding::new(State::Warn, WHAT, "this folder has a nango.yaml")
                .advice("`tenon migrate` turns it into a project")
        } else {
            Finding::new(State::Note, WHAT, "this folder has no index.ts")
                .advice("`tenon init` makes a project")
        };
        return vec![finding];
    }
    let compiled = match compile_project(root, &Selection::default()) {
        Ok(functions) => Finding::new(
            State::Ok,
            WHAT,
            format!("{} functions compile", functions.len()),
        ),
        Err(CompileProjectError::Code(error)) => {
            let count = error.diagnostics.len();
            Finding::new(
                State::Fail,
                WHAT,
                format!("{count} complaints of the compiler"),
            )
            .advice("`tenon compile` shows them")
        }
        Err(error) => Finding::new(State::Fail, WHAT, error.to_string()),
    };
    let types = if root.join("node_modules/.bin/tsc").exists() {
        Finding::new(State::Ok, "types", "checked by the project's tsc")
    } else {
        Finding::new(
            State::Note,
            "types",
            "not checked: there is no tsc in node_modules",
        )
        .advice("npm install --save-dev typescript, if you have Node; nothing else needs it")
    };
    vec![compiled, types]
}
