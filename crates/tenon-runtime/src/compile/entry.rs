//! What the file of a function must look like: one default export made by a definition function (functions.md, 1).

use oxc::{
    ast::ast::{
        BindingPattern, CallExpression, Declaration, ExportDefaultDeclarationKind, Expression,
        ImportDeclarationSpecifier, ImportOrExportKind, ModuleExportName, ObjectExpression,
        ObjectPropertyKind, Program, Statement,
    },
    span::{GetSpan, Span},
};
use tenon_core::function::FunctionKind;

use super::diagnostic::{CompileError, Diagnostic};

const HINT: &str = "write `export default createSync({ ... })`, `createAction({ ... })` or `createOnEvent({ ... })`";
const TOLERATED: [&str; 4] = [
    "createAction",
    "createSync",
    "createOnEvent",
    "createFunction",
];

/// What an entry file defines.
#[derive(Clone, Debug)]
pub(super) struct Entry {
    pub(super) kind: FunctionKind,
    /// Where the definition function is named, in bytes.
    pub(super) at: (usize, usize),
    /// Its object of options, in bytes.
    pub(super) object: (usize, usize),
    /// The names of its options, and below `models` those of the models.
    pub(super) options: Vec<(String, (usize, usize))>,
}

/// Reads the default export; everything that is wrong with the exports otherwise.
pub(super) fn entry(
    path: &str,
    source: &str,
    program: &Program<'_>,
) -> Result<Entry, CompileError> {
    let complain = |span: Span, message: &str| {
        let (start, end) = (span.start as usize, span.end as usize);
        Diagnostic::at(path, source, start, end, message.to_owned())
    };
    let mut diagnostics: Vec<Diagnostic> = named_exports(program)
        .into_iter()
        .map(|(span, name)| {
            complain(span, &format!("`{name}` may not be exported from the file of a function"))
                .with_hint("the file of a function exports its definition as default and types; move shared code into a file of its own")
        })
        .collect();

    let mut entry = None;
    match default_exports(program).as_slice() {
        [] => diagnostics
            .push(complain(Span::new(0, 0), "this file has no default export").with_hint(HINT)),
        [(span, only)] => match definition(program, only) {
            Ok(found) => entry = Some(found),
            Err(message) => diagnostics.push(complain(*span, message).with_hint(HINT)),
        },
        [_, rest @ ..] => diagnostics.extend(
            rest.iter()
                .map(|(span, _)| complain(*span, "this file has more than one default export")),
        ),
    }
    match entry {
        Some(entry) if diagnostics.is_empty() => Ok(entry),
        _ => Err(CompileError { diagnostics }),
    }
}

/// What a default export says, as far as we follow it.
enum Exported<'p, 'a> {
    Expression(&'p Expression<'a>),
    Name(&'p str),
    Other,
}

fn default_exports<'p, 'a>(program: &'p Program<'a>) -> Vec<(Span, Exported<'p, 'a>)> {
    let mut found = Vec::new();
    for statement in &program.body {
        match statement {
            Statement::ExportDefaultDeclaration(export) => {
                let exported = match &export.declaration {
                    ExportDefaultDeclarationKind::TSInterfaceDeclaration(_) => continue,
                    declaration => declaration
                        .as_expression()
                        .map_or(Exported::Other, Exported::Expression),
                };
                found.push((export.span, exported));
            }
            Statement::ExportNamedDeclaration(export)
                if export.export_kind == ImportOrExportKind::Value =>
            {
                for specifier in &export.specifiers {
                    if specifier.exported.name() == "default" {
                        let exported = match &specifier.local {
                            ModuleExportName::IdentifierReference(local) => {
                                Exported::Name(local.name.as_str())
                            }
                            ModuleExportName::IdentifierName(_)
                            | ModuleExportName::StringLiteral(_) => Exported::Other,
                        };
                        found.push((specifier.span, exported));
                    }
                }
            }
            Statement::ExportFromDeclaration(export) => {
                for specifier in &export.specifiers {
                    if specifier.exported.name() == "default" {
                        found.push((specifier.span, Exported::Other));
                    }
                }
            }
            _ => {}
        }
    }
    found
}

/// Exported values that are not the default one.
fn named_exports<'p>(program: &'p Program<'_>) -> Vec<(Span, &'p str)> {
    let mut found = Vec::new();
    for statement in &program.body {
        match statement {
            Statement::ExportDeclaration(export) => match &export.declaration {
                Declaration::VariableDeclaration(variables) if !variables.declare => {
                    for declarator in &variables.declarations {
                        if let BindingPattern::BindingIdentifier(name) = &declarator.id {
                            found.push((name.span, name.name.as_str()));
                        } else {
                            found.push((declarator.span, "{ ... }"));
                        }
                    }
                }
                Declaration::FunctionDeclaration(function) if !function.declare => {
                    found.extend(function.id.iter().map(|id| (id.span, id.name.as_str())));
                }
                Declaration::ClassDeclaration(class) if !class.declare => {
                    found.extend(class.id.iter().map(|id| (id.span, id.name.as_str())));
                }
                Declaration::TSEnumDeclaration(declaration) if !declaration.declare => {
                    found.push((declaration.id.span, declaration.id.name.as_str()));
                }
                _ => {}
            },
            Statement::ExportNamedDeclaration(export)
                if export.export_kind == ImportOrExportKind::Value =>
            {
                found.extend(
                    export
                        .specifiers
                        .iter()
                        .filter(|specifier| specifier.export_kind == ImportOrExportKind::Value)
                        .map(|specifier| (specifier.span, specifier.exported.name().as_str())),
                );
            }
            Statement::ExportFromDeclaration(export)
                if export.export_kind == ImportOrExportKind::Value =>
            {
                found.extend(
                    export
                        .specifiers
                        .iter()
                        .filter(|specifier| specifier.export_kind == ImportOrExportKind::Value)
                        .map(|specifier| (specifier.span, specifier.exported.name().as_str())),
                );
            }
            Statement::ExportAllDeclaration(export)
                if export.export_kind == ImportOrExportKind::Value =>
            {
                found.push((export.span, "*"));
            }
            _ => {}
        }
    }
    found.retain(|(_, name)| *name != "default" && !TOLERATED.contains(name));
    let types = declared_types(program);
    found.retain(|(_, name)| !types.contains(name));
    found
}

/// Names that are only types: `export { Name }` of one is no value.
fn declared_types<'p>(program: &'p Program<'_>) -> Vec<&'p str> {
    program
        .body
        .iter()
        .filter_map(|statement| match statement {
            Statement::TSTypeAliasDeclaration(alias) => Some(alias.id.name.as_str()),
            Statement::TSInterfaceDeclaration(interface) => Some(interface.id.name.as_str()),
            _ => None,
        })
        .collect()
}

fn definition(program: &Program<'_>, exported: &Exported<'_, '_>) -> Result<Entry, &'static str> {
    let call = match exported {
        Exported::Expression(expression) => match without_types(expression) {
            Expression::CallExpression(call) => Some(&**call),
            Expression::Identifier(name) => initialiser(program, &name.name),
            _ => None,
        },
        Exported::Name(name) => initialiser(program, name),
        Exported::Other => None,
    };
    let call = call.ok_or("the default export must be made by a definition function")?;
    let Expression::Identifier(callee) = without_types(&call.callee) else {
        return Err("the default export must be made by a definition function");
    };
    let kind = match imported_from_sdk(program, &callee.name) {
        Some("createSync") => FunctionKind::Sync,
        Some("createAction") => FunctionKind::Action,
        Some("createOnEvent") => FunctionKind::OnEvent,
        _ => return Err("the default export must be made by a definition function of `nango`"),
    };
    let object = match call.arguments.as_slice() {
        [one] => one.as_expression().and_then(as_object),
        _ => None,
    };
    let object = object.ok_or("a definition function takes one object literal")?;
    Ok(Entry {
        kind,
        at: bytes(callee.span),
        object: bytes(object.span),
        options: options(object),
    })
}

fn as_object<'p, 'a>(expression: &'p Expression<'a>) -> Option<&'p ObjectExpression<'a>> {
    match without_types(expression) {
        Expression::ObjectExpression(object) => Some(object),
        _ => None,
    }
}

fn options(object: &ObjectExpression<'_>) -> Vec<(String, (usize, usize))> {
    let mut found = Vec::new();
    for property in &object.properties {
        let ObjectPropertyKind::ObjectProperty(property) = property else {
            continue;
        };
        let Some(name) = property.key.static_name() else {
            continue;
        };
        if let (true, Some(models)) = (name == "models", as_object(&property.value)) {
            let models = options(models).into_iter();
            found.extend(models.map(|(model, place)| (format!("models.{model}"), place)));
        }
        found.push((name.into_owned(), bytes(property.key.span())));
    }
    found
}

fn bytes(span: Span) -> (usize, usize) {
    (span.start as usize, span.end as usize)
}

/// The call that initialises the constant `name` at the top of the file.
fn initialiser<'p, 'a>(program: &'p Program<'a>, name: &str) -> Option<&'p CallExpression<'a>> {
    let declarators = program.body.iter().filter_map(|statement| match statement {
        Statement::VariableDeclaration(variables) => Some(&variables.declarations),
        _ => None,
    });
    for declarator in declarators.flatten() {
        let named =
            matches!(&declarator.id, BindingPattern::BindingIdentifier(id) if id.name == name);
        if !named {
            continue;
        }
        if let Some(Expression::CallExpression(call)) = declarator.init.as_ref().map(without_types)
        {
            return Some(call);
        }
    }
    None
}

/// The name under which the SDK exports what this file calls `local`.
fn imported_from_sdk<'p>(program: &'p Program<'_>, local: &str) -> Option<&'p str> {
    for statement in &program.body {
        let Statement::ImportDeclaration(import) = statement else {
            continue;
        };
        if import.source.value != "nango" {
            continue;
        }
        for specifier in import.specifiers.iter().flatten() {
            if let ImportDeclarationSpecifier::ImportSpecifier(specifier) = specifier
                && specifier.local.name == local
            {
                return Some(match &specifier.imported {
                    ModuleExportName::IdentifierName(name) => name.name.as_str(),
                    ModuleExportName::IdentifierReference(name) => name.name.as_str(),
                    ModuleExportName::StringLiteral(name) => name.value.as_str(),
                });
            }
        }
    }
    None
}

/// The expression without parentheses, `as`, `satisfies` and `!`.
fn without_types<'p, 'a>(expression: &'p Expression<'a>) -> &'p Expression<'a> {
    match expression {
        Expression::ParenthesizedExpression(inner) => without_types(&inner.expression),
        Expression::TSAsExpression(inner) => without_types(&inner.expression),
        Expression::TSSatisfiesExpression(inner) => without_types(&inner.expression),
        Expression::TSNonNullExpression(inner) => without_types(&inner.expression),
        other => other,
    }
}
