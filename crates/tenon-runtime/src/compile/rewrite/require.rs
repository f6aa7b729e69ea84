//! `require` inside packages: calls with a literal become calls of the bundle's loader.

use oxc::{
    ast::ast::{Argument, CallExpression, Expression, ImportExpression},
    span::SPAN,
    str::Str,
};

use super::{Dialect, RequestKind, Rewriter, required_variable};
use crate::compile::imports::{self, Import};

/// Answers what cannot be known before the run.
const UNKNOWN_IMPORT: &str = "__tenon_unknown_import";

impl<'a> Rewriter<'_, 'a> {
    /// `require("x")` by hand: followed in packages, elsewhere only for what the sandbox offers.
    pub(super) fn take_require(&mut self, call: &mut CallExpression<'a>) {
        let Some(specifier) = self.required(call) else {
            return;
        };
        let (text, span) = (specifier.0, specifier.1);
        if self.dialect == Dialect::Project {
            self.check_required(&text, span);
            return;
        }
        let guarded = self.tries > 0;
        let request = self.request(&text, span, RequestKind::Require { guarded });
        let name = Str::from_str_in(&required_variable(request), &self.builder);
        call.callee = Expression::new_identifier(call.span, name, &self.builder);
        call.arguments.clear();
    }

    /// What a call of the global `require` names.
    fn required(&self, call: &CallExpression<'a>) -> Option<(String, oxc::span::Span)> {
        let Expression::Identifier(name) = &call.callee else {
            return None;
        };
        let [Argument::StringLiteral(specifier)] = call.arguments.as_slice() else {
            return None;
        };
        let global = name.name == "require" && self.is_global(name);
        global.then(|| (specifier.value.to_string(), specifier.span))
    }

    fn check_required(&mut self, text: &str, span: oxc::span::Span) {
        let message = format!("functions cannot require `{text}`");
        match imports::judge(text) {
            Import::Offered(name) if name == text => {}
            Import::Offered(name) => {
                self.complain(span, &message, &format!("write `require('{name}')`"));
            }
            Import::Refused(advice) | Import::Core(advice) => {
                self.complain(span, &message, advice);
            }
            Import::File | Import::Sdk | Import::Package => {
                self.complain(span, &message, "use an `import` statement");
            }
        }
    }

    /// `import(x)` in a package: what `x` is turns out at the run, and is refused then.
    pub(super) fn unknown_import(&self, import: &mut ImportExpression<'a>) -> Expression<'a> {
        let builder = &self.builder;
        let empty = Expression::new_null_literal(SPAN, builder);
        let source = std::mem::replace(&mut import.source, empty);
        let callee = Expression::new_identifier(import.span, UNKNOWN_IMPORT, builder);
        let arguments = [Argument::from(source)];
        Expression::new_call_expression(import.span, callee, None, arguments, false, builder)
    }
}
