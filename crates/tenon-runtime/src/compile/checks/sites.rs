//! Where a file calls the SDK.

use oxc::{
    ast::{
        AstKind,
        ast::{
            Argument, BindingPattern, CallExpression, Expression, FormalParameters,
            ObjectExpression, ObjectProperty, ObjectPropertyKind,
        },
    },
    semantic::{NodeId, SymbolId},
    span::{GetSpan, Span},
};

use super::File;
use crate::compile::entry::Entry;

/// Methods that send a request with credentials.
pub(super) const REQUESTS: [&str; 6] = ["proxy", "get", "post", "put", "patch", "delete"];

/// Methods that write records.
pub(super) const BATCHES: [&str; 4] = ["batchSave", "batchUpdate", "batchDelete", "batchSend"];

/// A call `nango.method(...)`.
pub(super) struct Site<'s> {
    pub(super) node: NodeId,
    pub(super) method: &'s str,
    pub(super) call: &'s CallExpression<'s>,
    /// `nango.method`, for the caret.
    pub(super) callee: Span,
}

impl<'s> Site<'s> {
    /// The object of options of a request, written in place or as a constant of this file.
    pub(super) fn config(&self, file: &File<'_, 's>) -> Option<&'s ObjectExpression<'s>> {
        if !REQUESTS.contains(&self.method) && self.method != "paginate" {
            return None;
        }
        match without_types(self.call.arguments.first()?.as_expression()?) {
            Expression::ObjectExpression(object) => Some(object),
            Expression::Identifier(name) => {
                let reference = file.semantic.scoping().get_reference(name.reference_id());
                let declaration = file.semantic.symbol_declaration(reference.symbol_id()?);
                let AstKind::VariableDeclarator(declarator) = declaration.kind() else {
                    return None;
                };
                match without_types(declarator.init.as_ref()?) {
                    // What is assigned later may bring the missing option.
                    Expression::ObjectExpression(object) => {
                        (!is_extended(file, reference.symbol_id()?)).then_some(object)
                    }
                    _ => None,
                }
            }
            _ => None,
        }
    }

    /// The second argument of `batchSave(records, 'Model')`, the first of `trackDeletesStart('Model')`.
    pub(super) fn model(&self) -> Option<&'s str> {
        let position =
            usize::from(BATCHES.contains(&self.method) || self.method == "setMergingStrategy");
        match self.call.arguments.get(position)? {
            Argument::StringLiteral(model) => Some(model.value.as_str()),
            _ => None,
        }
    }
}

/// Whether a variable or a property of it may be assigned to later.
fn is_extended(file: &File<'_, '_>, symbol: SymbolId) -> bool {
    file.semantic.symbol_references(symbol).any(|reference| {
        let parent = file.semantic.nodes().parent_kind(reference.node_id());
        let member = matches!(
            parent,
            AstKind::StaticMemberExpression(_) | AstKind::ComputedMemberExpression(_)
        );
        reference.is_write() || member
    })
}

/// All calls of the SDK in a file.
pub(super) struct Sites<'s> {
    pub(super) all: Vec<Site<'s>>,
    /// The bodies that the definition enters: `exec` and `onWebhook`.
    bodies: Vec<Span>,
}

impl<'s> Sites<'s> {
    pub(super) fn find(file: &File<'_, 's>, entry: &Entry) -> Self {
        let mut names = vec!["nango"];
        let mut bodies = Vec::new();
        for (span, parameter) in doors(file, entry) {
            bodies.push(span);
            names.extend(parameter);
        }
        let nodes = file.semantic.nodes();
        let all = nodes.iter().filter_map(|node| {
            let AstKind::CallExpression(call) = node.kind() else {
                return None;
            };
            let Expression::StaticMemberExpression(member) = without_types(&call.callee) else {
                return None;
            };
            let Expression::Identifier(object) = without_types(&member.object) else {
                return None;
            };
            names.contains(&object.name.as_str()).then_some(Site {
                node: node.id(),
                method: member.property.name.as_str(),
                call,
                callee: member.span,
            })
        });
        Self {
            all: all.collect(),
            bodies,
        }
    }

    /// Calls within one body, in the order of the text.
    pub(super) fn by_body(&self) -> impl Iterator<Item = Vec<&Site<'s>>> {
        self.bodies.iter().map(|body| {
            let inside = |site: &&Site<'_>| body.contains_inclusive(site.callee);
            let mut sites: Vec<&Site<'s>> = self.all.iter().filter(inside).collect();
            sites.sort_by_key(|site| site.callee.start);
            sites
        })
    }
}

/// Body and first parameter of `exec` and `onWebhook`.
fn doors<'s>(file: &File<'_, 's>, entry: &Entry) -> Vec<(Span, Option<&'s str>)> {
    let (start, end) = entry.object;
    let object = file
        .semantic
        .nodes()
        .iter()
        .find_map(|node| match node.kind() {
            AstKind::ObjectExpression(object)
                if object.span.start as usize == start && object.span.end as usize == end =>
            {
                Some(object)
            }
            _ => None,
        });
    let Some(object) = object else {
        return Vec::new();
    };
    ["exec", "onWebhook"]
        .iter()
        .filter_map(|name| door(file, without_types(&property(object, name)?.value)))
        .collect()
}

fn door<'s>(file: &File<'_, 's>, value: &'s Expression<'s>) -> Option<(Span, Option<&'s str>)> {
    match value {
        Expression::ArrowFunctionExpression(arrow) => Some((arrow.span, first(&arrow.params))),
        Expression::FunctionExpression(function) => Some((function.span, first(&function.params))),
        Expression::Identifier(name) => {
            let reference = file.semantic.scoping().get_reference(name.reference_id());
            match file
                .semantic
                .symbol_declaration(reference.symbol_id()?)
                .kind()
            {
                AstKind::Function(function) => Some((function.span, first(&function.params))),
                AstKind::VariableDeclarator(declarator) => {
                    match without_types(declarator.init.as_ref()?) {
                        Expression::Identifier(_) => None,
                        function => door(file, function),
                    }
                }
                _ => None,
            }
        }
        _ => None,
    }
}

fn first<'s>(parameters: &'s FormalParameters<'s>) -> Option<&'s str> {
    match &parameters.items.first()?.pattern {
        BindingPattern::BindingIdentifier(name) => Some(name.name.as_str()),
        _ => None,
    }
}

/// The property of that name.
pub(super) fn property<'s>(
    object: &'s ObjectExpression<'s>,
    name: &str,
) -> Option<&'s ObjectProperty<'s>> {
    object
        .properties
        .iter()
        .find_map(|property| match property {
            ObjectPropertyKind::ObjectProperty(property)
                if property.key.static_name().as_deref() == Some(name) =>
            {
                Some(&**property)
            }
            _ => None,
        })
}

/// The expression without parentheses, `as`, `satisfies` and `!`.
pub(super) fn without_types<'s>(expression: &'s Expression<'s>) -> &'s Expression<'s> {
    expression.get_inner_expression()
}

/// Whether `outer` holds `inner`.
trait Contains {
    fn contains_inclusive(&self, inner: Span) -> bool;
}

impl Contains for Span {
    fn contains_inclusive(&self, inner: Span) -> bool {
        self.start <= inner.span().start && inner.end <= self.end
    }
}
