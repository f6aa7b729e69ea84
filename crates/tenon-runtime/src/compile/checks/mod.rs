//! What the reference's compiler refuses in the file of a function (functions.md, 4.1): promises that nobody waits for,
//! options that need others, calls in an order that cannot work.

mod order;
mod promise;
mod sites;

use oxc::{
    ast::{AstKind, ast::Expression},
    semantic::Semantic,
    span::{GetSpan, Span},
};

use super::{diagnostic::Diagnostic, entry::Entry};
use sites::Sites;

/// What is wrong with a file, and what is only worth a word.
#[derive(Debug, Default)]
pub(super) struct Findings {
    pub(super) errors: Vec<Diagnostic>,
    pub(super) warnings: Vec<Diagnostic>,
}

/// A file under examination.
struct File<'f, 'a> {
    path: &'f str,
    source: &'f str,
    semantic: &'f Semantic<'a>,
}

impl File<'_, '_> {
    fn complain(&self, span: Span, message: impl Into<String>) -> Diagnostic {
        let (start, end) = (span.start as usize, span.end as usize);
        Diagnostic::at(self.path, self.source, start, end, message.into())
    }
}

/// Checks a file. The semantic model must hold its nodes.
pub(super) fn check(
    path: &str,
    source: &str,
    semantic: &Semantic<'_>,
    entry: Option<&Entry>,
) -> Findings {
    let file = File {
        path,
        source,
        semantic,
    };
    let mut findings = Findings {
        errors: constructors(&file),
        warnings: Vec::new(),
    };
    if let Some(entry) = entry {
        let sites = Sites::find(&file, entry);
        findings.errors.extend(promise::check(&file, &sites));
        findings.errors.extend(retry_on(&file, &sites));
        findings.errors.extend(order::check(&file, &sites));
        findings.warnings.extend(console(&file));
    }
    findings
        .errors
        .sort_by_key(|found| (found.line, found.column));
    findings
}

/// Calls of `x.constructor(...)`: servers refuse to deploy them.
fn constructors(file: &File<'_, '_>) -> Vec<Diagnostic> {
    let calls = file.semantic.nodes().iter().filter_map(|node| {
        let AstKind::CallExpression(call) = node.kind() else {
            return None;
        };
        let name = match call.callee.without_parentheses() {
            Expression::StaticMemberExpression(member) => member.property.name.as_str(),
            Expression::ComputedMemberExpression(member) => match &member.expression {
                Expression::StringLiteral(name) => name.value.as_str(),
                _ => return None,
            },
            _ => return None,
        };
        (name == "constructor" && !call.arguments.is_empty()).then_some(call.span)
    });
    calls
        .map(|span| {
            file.complain(span, "`constructor` may not be called")
                .with_hint(
                    "code cannot be made from text in functions; servers refuse to deploy this",
                )
        })
        .collect()
}

/// `retryOn` does nothing without `retries`.
fn retry_on(file: &File<'_, '_>, sites: &Sites<'_>) -> Vec<Diagnostic> {
    let mut found = Vec::new();
    for site in &sites.all {
        let Some(config) = site.config(file) else {
            continue;
        };
        let has = |name: &str| sites::property(config, name);
        let spread = config
            .properties
            .iter()
            .any(|property| property.is_spread());
        if let (Some(retry_on), None, false) = (has("retryOn"), has("retries"), spread) {
            let diagnostic = file.complain(retry_on.key.span(), "`retryOn` needs `retries`");
            let diagnostic =
                diagnostic.with_hint("add `retries`: without it nothing is tried again");
            if !found.contains(&diagnostic) {
                found.push(diagnostic);
            }
        }
    }
    found
}

/// `console` is only a warning.
fn console(file: &File<'_, '_>) -> Vec<Diagnostic> {
    let calls = file.semantic.nodes().iter().filter_map(|node| {
        let AstKind::CallExpression(call) = node.kind() else {
            return None;
        };
        let Expression::StaticMemberExpression(member) = &call.callee else {
            return None;
        };
        let Expression::Identifier(object) = &member.object else {
            return None;
        };
        let global =
            object.name == "console" && file.semantic.is_reference_to_global_variable(object);
        global.then_some((member.span, member.property.name.as_str()))
    });
    calls
        .map(|(span, method)| {
            file.complain(span, format!("`console.{method}` is not how functions log"))
                .with_hint("use `await nango.log(...)`: its lines stand in the log of the run")
        })
        .collect()
}
