//! Calls that answer with a promise, and nobody waits for it.

use oxc::{
    ast::{
        AstKind,
        ast::{BindingPattern, Expression},
    },
    semantic::{NodeId, SymbolId},
    span::GetSpan,
};

use super::{File, Sites, sites::Site};
use crate::compile::diagnostic::Diagnostic;

/// Methods of the SDK that answer with a promise.
const PROMISES: [&str; 37] = [
    "proxy",
    "get",
    "post",
    "put",
    "patch",
    "delete",
    "getConnection",
    "getToken",
    "getIntegration",
    "getWebhookURL",
    "getEnvironmentVariables",
    "getMetadata",
    "setMetadata",
    "updateMetadata",
    "getFieldMapping",
    "setFieldMapping",
    "triggerAction",
    "triggerSync",
    "startSync",
    "uncontrolledFetch",
    "zodValidateInput",
    "log",
    "batchSave",
    "batchSend",
    "batchUpdate",
    "batchDelete",
    "getRecordsByIds",
    "setMergingStrategy",
    "deleteRecordsFromPreviousExecutions",
    "trackDeletesStart",
    "trackDeletesEnd",
    "getCheckpoint",
    "saveCheckpoint",
    "clearCheckpoint",
    "tryAcquireLock",
    "releaseLock",
    "releaseAllLocks",
];

/// Methods whose answer is walked through with `for await`.
const STREAMS: [&str; 2] = ["paginate", "listRecords"];

/// Functions that look at a value and know no promises.
const LOOKING: [&str; 7] = [
    "stringify",
    "keys",
    "values",
    "entries",
    "isArray",
    "String",
    "Boolean",
];

/// Longest way from a promise over variables to where it is awaited.
const HOPS: usize = 4;

pub(super) fn check(file: &File<'_, '_>, sites: &Sites<'_>) -> Vec<Diagnostic> {
    sites
        .all
        .iter()
        .filter_map(|site| {
            if STREAMS.contains(&site.method) {
                return stream(file, site);
            }
            if !PROMISES.contains(&site.method) {
                return None;
            }
            let message = match fate(file, site.node, HOPS) {
                Fate::Handled => return None,
                Fate::Dropped => format!("nobody waits for `nango.{}(...)`", site.method),
                Fate::Used => format!(
                    "the promise of `nango.{}(...)` is used as if it were the answer",
                    site.method
                ),
            };
            Some(file.complain(site.callee, message).with_hint(
                "put `await` before the call, or return it: what is still under way when the function ends is lost",
            ))
        })
        .collect()
}

/// `for (const page of nango.paginate(...))` walks through nothing.
fn stream(file: &File<'_, '_>, site: &Site<'_>) -> Option<Diagnostic> {
    let nodes = file.semantic.nodes();
    let message = match nodes.parent_kind(site.node) {
        AstKind::ForOfStatement(statement) if !statement.r#await => {
            format!("`nango.{}(...)` needs `for await`", site.method)
        }
        AstKind::ExpressionStatement(_) => {
            format!("nobody walks through `nango.{}(...)`", site.method)
        }
        AstKind::AwaitExpression(_) => {
            format!("`nango.{}(...)` is no promise but many pages", site.method)
        }
        _ => return None,
    };
    let hint = format!(
        "write `for await (const page of nango.{}(...))`",
        site.method
    );
    Some(file.complain(site.callee, message).with_hint(hint))
}

/// What becomes of a promise.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Fate {
    /// Awaited, returned, passed on to somebody who may.
    Handled,
    /// Not looked at.
    Dropped,
    /// Looked at as if it were the answer.
    Used,
}

fn fate(file: &File<'_, '_>, node: NodeId, hops: usize) -> Fate {
    let nodes = file.semantic.nodes();
    let (mut node, mut span) = (node, nodes.kind(node).span());
    loop {
        let parent = nodes.parent_id(node);
        match nodes.kind(parent) {
            AstKind::ParenthesizedExpression(_)
            | AstKind::TSAsExpression(_)
            | AstKind::TSSatisfiesExpression(_)
            | AstKind::TSNonNullExpression(_)
            | AstKind::ChainExpression(_) => {}
            AstKind::ConditionalExpression(choice) if choice.test.span() == span => {
                return Fate::Used;
            }
            AstKind::LogicalExpression(choice) if choice.left.span() == span => {
                return Fate::Used;
            }
            AstKind::ConditionalExpression(_) | AstKind::LogicalExpression(_) => {}
            AstKind::SequenceExpression(sequence) => {
                let last = sequence.expressions.last().map(GetSpan::span);
                if last != Some(span) {
                    return Fate::Dropped;
                }
            }
            AstKind::ExpressionStatement(_) => return Fate::Dropped,
            AstKind::UnaryExpression(unary) if unary.operator.is_void() => return Fate::Dropped,
            AstKind::StaticMemberExpression(member) => {
                let then = ["then", "catch", "finally"].contains(&member.property.name.as_str());
                return if then { Fate::Handled } else { Fate::Used };
            }
            AstKind::ComputedMemberExpression(member) => {
                let object = member.object.span() == span;
                return if object { Fate::Used } else { Fate::Handled };
            }
            AstKind::VariableDeclarator(declarator) => {
                return match &declarator.id {
                    BindingPattern::BindingIdentifier(name) => {
                        variable(file, name.symbol_id(), hops)
                    }
                    _ => Fate::Used,
                };
            }
            AstKind::CallExpression(call) => {
                let name = match &call.callee {
                    Expression::Identifier(name) => name.name.as_str(),
                    Expression::StaticMemberExpression(member) => member.property.name.as_str(),
                    _ => "",
                };
                return if LOOKING.contains(&name) {
                    Fate::Used
                } else {
                    Fate::Handled
                };
            }
            AstKind::SpreadElement(_)
            | AstKind::TemplateLiteral(_)
            | AstKind::BinaryExpression(_)
            | AstKind::UnaryExpression(_)
            | AstKind::IfStatement(_)
            | AstKind::SwitchStatement(_)
            | AstKind::WhileStatement(_)
            | AstKind::ForOfStatement(_)
            | AstKind::ForInStatement(_) => return Fate::Used,
            _ => return Fate::Handled,
        }
        node = parent;
        span = nodes.kind(parent).span();
    }
}

/// What becomes of a promise that a variable holds: one use that waits is enough.
fn variable(file: &File<'_, '_>, symbol: SymbolId, hops: usize) -> Fate {
    if hops == 0 {
        return Fate::Handled;
    }
    let mut worst = Fate::Dropped;
    for reference in file.semantic.symbol_references(symbol) {
        match fate(file, reference.node_id(), hops - 1) {
            Fate::Handled => return Fate::Handled,
            Fate::Used => worst = Fate::Used,
            Fate::Dropped => {}
        }
    }
    worst
}
