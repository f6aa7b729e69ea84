//! What a `.test.ts` beside a fixture changes in plain words: a stopped clock, another connection, other metadata.
//!
//! The test itself is not run. Literals are read out of the calls that fake the clock and the mock's answers; a test that
//! does more than that is not understood here.

use std::collections::HashMap;

use oxc::{
    allocator::Allocator,
    ast::ast::{
        Argument, AssignmentExpression, AssignmentTarget, BindingPattern, CallExpression,
        Expression, ObjectPropertyKind, PropertyKey, VariableDeclarator,
    },
    ast_visit::{Visit, walk},
    parser::Parser,
    span::SourceType,
    syntax::operator::{BinaryOperator, UnaryOperator},
};
use serde_json::{Map, Number, Value};
use tenon_core::Timestamp;

/// Members of the mock whose answer can be replaced.
const MEMBERS: [&str; 2] = ["getConnection", "getMetadata"];

/// What a test replaces.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Overrides {
    /// What `Date` shows.
    pub clock: Option<Timestamp>,
    /// Answers by member of the mock.
    pub answers: Map<String, Value>,
}

impl Overrides {
    /// Reads the text of a test; nothing is found in a text that makes no sense.
    pub fn read(text: &str) -> Self {
        let allocator = Allocator::default();
        let parsed = Parser::new(&allocator, text, SourceType::ts()).parse();
        let mut constants = Constants::default();
        constants.visit_program(&parsed.program);
        let mut reader = Reader {
            constants: constants.found,
            found: Self::default(),
        };
        reader.visit_program(&parsed.program);
        reader.found
    }
}

/// Values of `const name = literal`.
#[derive(Default)]
struct Constants {
    found: HashMap<String, Value>,
}

impl<'a> Visit<'a> for Constants {
    fn visit_variable_declarator(&mut self, declarator: &VariableDeclarator<'a>) {
        if let (BindingPattern::BindingIdentifier(name), Some(init)) =
            (&declarator.id, &declarator.init)
            && let Some(value) = literal(init, &self.found)
        {
            self.found.insert(name.name.to_string(), value);
        }
        walk::walk_variable_declarator(self, declarator);
    }
}

struct Reader {
    constants: HashMap<String, Value>,
    found: Overrides,
}

impl Reader {
    fn value(&self, argument: Option<&Argument<'_>>) -> Option<Value> {
        literal(argument?.as_expression()?, &self.constants)
    }

    fn set_clock(&mut self, value: Option<&Value>) {
        let instant = match value {
            Some(Value::String(text)) => instant(text),
            Some(Value::Number(number)) => number.as_f64(),
            _ => None,
        };
        if let Some(millis) = instant {
            #[expect(
                clippy::cast_possible_truncation,
                reason = "instants are whole milliseconds far below 2^53"
            )]
            let millis = millis as i64;
            self.found.clock = Some(Timestamp::from_millis(millis));
        }
    }

    fn set_answer(&mut self, member: &str, value: Option<Value>) {
        if let Some(value) = value {
            self.found.answers.insert(member.to_owned(), value);
        }
    }
}

impl<'a> Visit<'a> for Reader {
    fn visit_call_expression(&mut self, call: &CallExpression<'a>) {
        match called(&call.callee) {
            Some("setSystemTime") => {
                let value = self.value(call.arguments.first());
                self.set_clock(value.as_ref());
            }
            Some("useFakeTimers") => {
                let options = self.value(call.arguments.first());
                self.set_clock(options.as_ref().and_then(|options| options.get("now")));
            }
            Some("mockReturnValue" | "mockResolvedValue" | "mockResolvedValueOnce") => {
                let value = self.value(call.arguments.first());
                match faked(&call.callee) {
                    Some("now") => self.set_clock(value.as_ref()),
                    Some(member) if MEMBERS.contains(&member) => self.set_answer(member, value),
                    _ => {}
                }
            }
            _ => {}
        }
        walk::walk_call_expression(self, call);
    }

    fn visit_assignment_expression(&mut self, assignment: &AssignmentExpression<'a>) {
        if let AssignmentTarget::StaticMemberExpression(target) = &assignment.left
            && let Some(member) = MEMBERS
                .iter()
                .find(|member| **member == target.property.name)
        {
            let value =
                answer(&assignment.right).and_then(|answer| literal(answer, &self.constants));
            self.set_answer(member, value);
        }
        walk::walk_assignment_expression(self, assignment);
    }
}

/// `method` of `x.method(...)`.
fn called<'e>(callee: &'e Expression<'_>) -> Option<&'e str> {
    match callee {
        Expression::StaticMemberExpression(member) => Some(member.property.name.as_str()),
        _ => None,
    }
}

/// What a mock method is called on: `member` of `x.member.mockReturnValue` and of `vi.spyOn(x, 'member').mockReturnValue`.
fn faked<'e>(callee: &'e Expression<'_>) -> Option<&'e str> {
    let Expression::StaticMemberExpression(method) = callee else {
        return None;
    };
    match &method.object {
        Expression::StaticMemberExpression(member) => Some(member.property.name.as_str()),
        Expression::CallExpression(call) if called(&call.callee) == Some("spyOn") => {
            match call.arguments.get(1)? {
                Argument::StringLiteral(name) => Some(name.value.as_str()),
                _ => None,
            }
        }
        _ => None,
    }
}

/// The expression that a faked function answers with: `vi.fn().mockResolvedValue(x)`, `async () => x`.
fn answer<'e, 'a>(function: &'e Expression<'a>) -> Option<&'e Expression<'a>> {
    match function {
        Expression::CallExpression(call) => match called(&call.callee)? {
            "mockResolvedValue" | "mockReturnValue" | "resolve" => {
                call.arguments.first()?.as_expression()
            }
            "fn" => answer(call.arguments.first()?.as_expression()?),
            _ => None,
        },
        Expression::ArrowFunctionExpression(arrow) => {
            let body = arrow.get_expression()?;
            match body {
                Expression::CallExpression(_) => answer(body),
                other => Some(other),
            }
        }
        Expression::ParenthesizedExpression(inner) => answer(&inner.expression),
        Expression::TSAsExpression(inner) => answer(&inner.expression),
        _ => None,
    }
}

/// The value of an expression made of literals; instants are milliseconds.
fn literal(expression: &Expression<'_>, constants: &HashMap<String, Value>) -> Option<Value> {
    match expression {
        Expression::StringLiteral(text) => Some(text.value.as_str().into()),
        Expression::NumericLiteral(number) => number_value(number.value),
        Expression::BooleanLiteral(boolean) => Some(boolean.value.into()),
        Expression::NullLiteral(_) => Some(Value::Null),
        Expression::TemplateLiteral(text) => Some(text.single_quasi()?.as_str().into()),
        Expression::Identifier(name) => constants.get(name.name.as_str()).cloned(),
        Expression::ParenthesizedExpression(inner) => literal(&inner.expression, constants),
        Expression::TSAsExpression(inner) => literal(&inner.expression, constants),
        Expression::TSSatisfiesExpression(inner) => literal(&inner.expression, constants),
        Expression::UnaryExpression(unary) if unary.operator == UnaryOperator::UnaryNegation => {
            number_value(-literal(&unary.argument, constants)?.as_f64()?)
        }
        Expression::BinaryExpression(binary) => {
            let left = literal(&binary.left, constants)?.as_f64()?;
            let right = literal(&binary.right, constants)?.as_f64()?;
            match binary.operator {
                BinaryOperator::Multiplication => number_value(left * right),
                BinaryOperator::Addition => number_value(left + right),
                BinaryOperator::Subtraction => number_value(left - right),
                _ => None,
            }
        }
        Expression::NewExpression(new) => match &new.callee {
            Expression::Identifier(class) if class.name == "Date" && new.arguments.len() == 1 => {
                date(&literal(
                    new.arguments.first()?.as_expression()?,
                    constants,
                )?)
            }
            _ => None,
        },
        Expression::CallExpression(call) => match &call.callee {
            Expression::StaticMemberExpression(member)
                if matches!(member.property.name.as_str(), "getTime" | "valueOf") =>
            {
                literal(&member.object, constants)
            }
            Expression::StaticMemberExpression(member) if member.property.name == "parse" => date(
                &literal(call.arguments.first()?.as_expression()?, constants)?,
            ),
            _ => None,
        },
        Expression::ArrayExpression(array) => array
            .elements
            .iter()
            .map(|element| literal(element.as_expression()?, constants))
            .collect(),
        Expression::ObjectExpression(object) => {
            let mut fields = Map::new();
            for property in &object.properties {
                let ObjectPropertyKind::ObjectProperty(property) = property else {
                    return None;
                };
                let key = match &property.key {
                    PropertyKey::StaticIdentifier(name) => name.name.to_string(),
                    PropertyKey::StringLiteral(name) => name.value.to_string(),
                    _ => return None,
                };
                fields.insert(key, literal(&property.value, constants)?);
            }
            Some(Value::Object(fields))
        }
        _ => None,
    }
}

fn number_value(number: f64) -> Option<Value> {
    #[expect(
        clippy::cast_possible_truncation,
        reason = "checked to be whole right here"
    )]
    let whole = number as i64;
    #[expect(
        clippy::cast_precision_loss,
        reason = "a loss makes the comparison fail, and the double is taken"
    )]
    if whole as f64 == number {
        return Some(whole.into());
    }
    Number::from_f64(number).map(Value::Number)
}

fn date(value: &Value) -> Option<Value> {
    match value {
        Value::Number(_) => Some(value.clone()),
        Value::String(text) => number_value(instant(text)?),
        _ => None,
    }
}

/// Milliseconds of `2026-01-02` or `2026-01-02T03:04:05Z`.
fn instant(text: &str) -> Option<f64> {
    let whole = if text.len() == "2026-01-02".len() {
        format!("{text}T00:00:00Z")
    } else {
        text.to_owned()
    };
    #[expect(clippy::cast_precision_loss, reason = "instants are far below 2^53")]
    Timestamp::parse_iso(&whole).map(|instant| instant.millis() as f64)
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::Overrides;

    fn clock(text: &str) -> Option<String> {
        Overrides::read(text).clock.map(|clock| clock.iso_millis())
    }

    #[test]
    fn clocks_are_read_in_their_usual_forms() {
        let expected = Some("2026-01-02T00:00:00.000Z".to_owned());
        for text in [
            "vi.setSystemTime(new Date('2026-01-02T00:00:00Z'));",
            "vi.setSystemTime(new Date('2026-01-02').getTime());",
            "vi.setSystemTime(1767312000 * 1000);",
            "vi.useFakeTimers({ now: new Date('2026-01-02T00:00:00.000Z') });",
            "const NOW = new Date('2026-01-02'); beforeEach(() => { vi.useFakeTimers(); vi.setSystemTime(NOW); });",
            "vi.spyOn(Date, 'now').mockReturnValue(1767312000000);",
        ] {
            assert_eq!(clock(text), expected, "{text}");
        }
        assert_eq!(clock("vi.setSystemTime(later());"), None);
        assert_eq!(clock("this is ] not a test"), None);
    }

    #[test]
    fn answers_are_read_in_their_usual_forms() {
        let expected = json!({ "getConnection": { "connection_config": { "subdomain": "x" } } });
        let object = "{ connection_config: { 'subdomain': `x` } }";
        for form in [
            format!("nangoMock.getConnection.mockResolvedValue({object});"),
            format!("vi.spyOn(nangoMock, 'getConnection').mockResolvedValue({object} as any);"),
            format!("nangoMock.getConnection = vi.fn().mockResolvedValue({object});"),
            format!("nangoMock.getConnection = async () => ({object});"),
            format!("nangoMock.getConnection = vi.fn(() => Promise.resolve({object}));"),
        ] {
            let found = Overrides::read(&form);
            assert_eq!(serde_json::Value::Object(found.answers), expected, "{form}");
        }
    }
}
