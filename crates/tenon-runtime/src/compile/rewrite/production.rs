//! Branches of packages that hang on `process.env.NODE_ENV`: functions run in production, the others are left out.

use oxc::{
    ast::ast::{Expression, IdentifierReference, Statement},
    span::SPAN,
    syntax::operator::{BinaryOperator, LogicalOperator, UnaryOperator},
};

use super::Rewriter;

const NODE_ENV: &str = "production";

impl<'a> Rewriter<'_, 'a> {
    /// Leaves the branch of an `if` that is taken.
    pub(super) fn fold_statement(&self, statement: &mut Statement<'a>) {
        let Statement::IfStatement(branch) = statement else {
            return;
        };
        let Some(holds) = self.known(&branch.test) else {
            return;
        };
        let empty = || Statement::new_empty_statement(SPAN, &self.builder);
        let taken = if holds {
            std::mem::replace(&mut branch.consequent, empty())
        } else {
            branch.alternate.take().unwrap_or_else(empty)
        };
        *statement = taken;
        self.fold_statement(statement);
    }

    /// Leaves the side of `?:`, `&&` or `||` that is taken.
    pub(super) fn fold_expression(&self, expression: &mut Expression<'a>) {
        let empty = || Expression::new_null_literal(SPAN, &self.builder);
        match expression {
            Expression::ConditionalExpression(choice) => {
                let Some(holds) = self.known(&choice.test) else {
                    return;
                };
                let side = if holds {
                    &mut choice.consequent
                } else {
                    &mut choice.alternate
                };
                *expression = std::mem::replace(side, empty());
                self.fold_expression(expression);
            }
            Expression::LogicalExpression(both) => match (both.operator, self.known(&both.left)) {
                (LogicalOperator::And, Some(true)) | (LogicalOperator::Or, Some(false)) => {
                    *expression = std::mem::replace(&mut both.right, empty());
                    self.fold_expression(expression);
                }
                (LogicalOperator::And, Some(false)) | (LogicalOperator::Or, Some(true)) => {
                    *expression = std::mem::replace(&mut both.left, empty());
                }
                _ => {}
            },
            _ => {}
        }
    }

    /// Whether a condition holds, if that depends on nothing but `NODE_ENV`.
    fn known(&self, condition: &Expression<'a>) -> Option<bool> {
        match condition.without_parentheses() {
            Expression::BinaryExpression(comparison) => {
                let (left, right) = (&comparison.left, &comparison.right);
                let other = match (self.is_node_env(left), self.is_node_env(right)) {
                    (true, false) => right,
                    (false, true) => left,
                    _ => return None,
                };
                let Expression::StringLiteral(other) = other.without_parentheses() else {
                    return None;
                };
                let equal = other.value == NODE_ENV;
                match comparison.operator {
                    BinaryOperator::Equality | BinaryOperator::StrictEquality => Some(equal),
                    BinaryOperator::Inequality | BinaryOperator::StrictInequality => Some(!equal),
                    _ => None,
                }
            }
            Expression::UnaryExpression(not) if not.operator == UnaryOperator::LogicalNot => {
                self.known(&not.argument).map(|holds| !holds)
            }
            Expression::LogicalExpression(both) => match (both.operator, self.known(&both.left)?) {
                (LogicalOperator::And, false) => Some(false),
                (LogicalOperator::Or, true) => Some(true),
                (LogicalOperator::And, true) | (LogicalOperator::Or, false) => {
                    self.known(&both.right)
                }
                (LogicalOperator::Coalesce, _) => None,
            },
            _ => None,
        }
    }

    /// `process.env.NODE_ENV`
    fn is_node_env(&self, expression: &Expression<'a>) -> bool {
        let Expression::StaticMemberExpression(value) = expression.without_parentheses() else {
            return false;
        };
        let Expression::StaticMemberExpression(env) = &value.object else {
            return false;
        };
        let Expression::Identifier(process) = &env.object else {
            return false;
        };
        let named = value.property.name == "NODE_ENV"
            && env.property.name == "env"
            && process.name == "process";
        named && self.is_global(process)
    }

    /// Whether a name belongs to nothing in the file.
    pub(super) fn is_global(&self, name: &IdentifierReference<'a>) -> bool {
        name.reference_id
            .get()
            .is_some_and(|id| self.scoping.get_reference(id).symbol_id().is_none())
    }
}
