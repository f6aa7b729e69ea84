//! What imported names stand for, and the variables that hold modules.

use oxc::ast::ast::BindingPattern;

/// Name of the variable that holds the module of a request.
pub(super) fn variable(request: usize) -> String {
    format!("__tenon_import_{request}")
}

/// Name of the variable that holds the default export of a module that is not part of the bundle.
pub(super) fn default_variable(request: usize) -> String {
    format!("__tenon_default_{request}")
}

/// Name of the function that loads the module of a dynamic request.
pub(super) fn dynamic_variable(request: usize) -> String {
    format!("__tenon_dynamic_{request}")
}

/// Name of the function that a `require` of a package became.
pub(super) fn required_variable(request: usize) -> String {
    format!("__tenon_require_{request}")
}

/// What an imported name stands for.
#[derive(Clone, Debug)]
pub(super) enum Binding {
    Namespace(usize),
    Member(usize, String),
    /// The default export of a module that is not part of the bundle.
    OutsideDefault(usize),
}

/// The expression that reads a binding.
pub(super) fn text_of(binding: &Binding) -> String {
    match binding {
        Binding::Namespace(request) => variable(*request),
        Binding::OutsideDefault(request) => default_variable(*request),
        Binding::Member(request, name) => {
            format!(
                "{}[{}]",
                variable(*request),
                serde_json::Value::from(name.as_str())
            )
        }
    }
}

/// Whether a name can stand behind a dot.
pub(super) fn is_identifier(name: &str) -> bool {
    oxc::syntax::identifier::is_identifier_name(name)
}

/// The names that a pattern declares.
pub(super) fn bound_names(pattern: &BindingPattern<'_>, names: &mut Vec<String>) {
    match pattern {
        BindingPattern::BindingIdentifier(name) => names.push(name.name.to_string()),
        BindingPattern::ObjectPattern(object) => {
            for property in &object.properties {
                bound_names(&property.value, names);
            }
            if let Some(rest) = &object.rest {
                bound_names(&rest.argument, names);
            }
        }
        BindingPattern::ArrayPattern(array) => {
            for element in array.elements.iter().flatten() {
                bound_names(element, names);
            }
            if let Some(rest) = &array.rest {
                bound_names(&rest.argument, names);
            }
        }
        BindingPattern::AssignmentPattern(assignment) => bound_names(&assignment.left, names),
    }
}
