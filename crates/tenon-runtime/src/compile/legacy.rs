//! Functions of nango.yaml projects: a default-exported function becomes the `exec` of a definition (functions.md, 1.5).

use oxc::{
    allocator::Allocator,
    ast::ast::{
        ArrowFunctionExpression, BindingPattern, Declaration, ExportDefaultDeclarationKind,
        Expression, FormalParameters, Function, ImportDeclarationSpecifier, Program, Statement,
    },
    parser::Parser,
    span::{GetSpan as _, SourceType, Span},
};

use super::{
    diagnostic::{CompileError, Diagnostic},
    resolve::join,
};

/// Name of the function that took webhooks.
const WEBHOOK: &str = "onWebhookPayloadReceived";

/// What the file becomes.
#[derive(Clone, Debug)]
pub struct Wrapping<'w> {
    /// `createSync`, `createAction` or `createOnEvent`.
    pub create: &'w str,
    /// Options without `exec`, one per line.
    pub options: &'w [String],
    /// Lines at the top of the file.
    pub imports: &'w [String],
}

/// One replacement in a text.
struct Edit {
    start: usize,
    end: usize,
    text: String,
}

impl Edit {
    fn new(span: Span, text: impl Into<String>) -> Self {
        Self {
            start: span.start as usize,
            end: span.end as usize,
            text: text.into(),
        }
    }
}

/// Gives relative imports their extension, where `is_file` knows a file behind them.
pub fn with_extensions(
    path: &str,
    source: &str,
    is_file: &dyn Fn(&str) -> bool,
) -> Result<String, CompileError> {
    let allocator = Allocator::default();
    let program = parse(path, source, &allocator)?;
    Ok(apply(source, extensions(&program, is_file, path, path)))
}

/// Turns the file of a function into one that defines it and lies at `place`.
pub fn convert(
    path: &str,
    place: &str,
    source: &str,
    wrapping: &Wrapping<'_>,
    is_file: &dyn Fn(&str) -> bool,
) -> Result<String, CompileError> {
    let allocator = Allocator::default();
    let program = parse(path, source, &allocator)?;
    let mut edits = extensions(&program, is_file, path, place);
    let mut webhook = None;
    let mut default = None;
    for statement in &program.body {
        match statement {
            Statement::ExportDefaultDeclaration(export) => {
                let door = match &export.declaration {
                    ExportDefaultDeclarationKind::FunctionDeclaration(function) => {
                        of_function(source, function)
                    }
                    other => other
                        .as_expression()
                        .and_then(|value| of_expression(source, &program, value)),
                };
                default = door.map(|door| (export.span, door));
            }
            Statement::ExportDeclaration(export) => match &export.declaration {
                Declaration::FunctionDeclaration(function)
                    if function.id.as_ref().is_some_and(|id| id.name == WEBHOOK) =>
                {
                    webhook = of_function(source, function);
                    edits.push(Edit::new(export.span, ""));
                }
                // The file of a function exports types only.
                Declaration::FunctionDeclaration(_)
                | Declaration::VariableDeclaration(_)
                | Declaration::ClassDeclaration(_)
                | Declaration::TSEnumDeclaration(_) => {
                    let keyword = Span::new(export.span.start, export.declaration.span().start);
                    edits.push(Edit::new(keyword, ""));
                }
                _ => {}
            },
            _ => {}
        }
    }
    let Some((span, exec)) = default else {
        let message = "there is no default-exported function to convert".to_owned();
        return Err(Diagnostic::of_file(path, message).into());
    };
    let mut lines: Vec<String> = wrapping.options.to_vec();
    lines.push(format!("exec: {exec}"));
    lines.extend(webhook.map(|webhook| format!("onWebhook: {webhook}")));
    let options = lines.iter().map(|line| format!("    {line}"));
    let options = options.collect::<Vec<_>>().join(",\n");
    edits.push(Edit::new(
        span,
        format!("export default {}({{\n{options}\n}});", wrapping.create),
    ));
    let mut imports = wrapping.imports.to_vec();
    if wrapping.options.iter().any(|line| line.contains("z.")) && !binds(&program, "z") {
        imports.push("import { z } from 'zod';".to_owned());
    }
    Ok(format!("{}\n{}", imports.join("\n"), apply(source, edits)))
}

fn parse<'a>(
    path: &str,
    source: &'a str,
    allocator: &'a Allocator,
) -> Result<Program<'a>, CompileError> {
    let parsed = Parser::new(allocator, source, SourceType::ts()).parse();
    match parsed.diagnostics.errors().next() {
        None => Ok(parsed.program),
        Some(error) => {
            let label = error.labels.first();
            let start = label.map_or(0, |label| label.offset() as usize);
            let message = error.message.to_string();
            Err(Diagnostic::at(path, source, start, start + 1, message).into())
        }
    }
}

/// Relative imports of a file that moves from `path` to `place`, with the extension of the file behind them.
fn extensions(
    program: &Program<'_>,
    is_file: &dyn Fn(&str) -> bool,
    path: &str,
    place: &str,
) -> Vec<Edit> {
    let mut edits = Vec::new();
    for statement in &program.body {
        let Statement::ImportDeclaration(import) = statement else {
            continue;
        };
        let written = import.source.value.as_str();
        if !written.starts_with('.') {
            continue;
        }
        let bare = ![".js", ".ts", ".json", ".mjs", ".cjs"]
            .iter()
            .any(|end| written.ends_with(end));
        let whole = if bare && is_file(&format!("{written}.ts")) {
            format!("{written}.js")
        } else if bare && is_file(&format!("{written}/index.ts")) {
            format!("{written}/index.js")
        } else {
            written.to_owned()
        };
        let moved = if path == place {
            whole
        } else {
            relative(&join(folder(path), &whole), folder(place))
        };
        if moved != written {
            edits.push(Edit::new(import.source.span, format!("'{moved}'")));
        }
    }
    edits
}

fn folder(path: &str) -> &str {
    path.rsplit_once('/').map_or("", |(folder, _)| folder)
}

/// How a file is named from a folder; both start at the project.
fn relative(path: &str, folder: &str) -> String {
    let parts = |path: &str| -> Vec<String> {
        let parts = path.split('/').filter(|part| !part.is_empty());
        parts.map(str::to_owned).collect()
    };
    let (path, folder) = (parts(path), parts(folder));
    let pairs = path.iter().zip(&folder);
    let shared = pairs.take_while(|(one, other)| one == other).count();
    let up = folder.len() - shared;
    let start = if up == 0 {
        "./".to_owned()
    } else {
        "../".repeat(up)
    };
    format!("{start}{}", path[shared..].join("/"))
}

fn apply(source: &str, mut edits: Vec<Edit>) -> String {
    edits.sort_by_key(|edit| std::cmp::Reverse(edit.start));
    let mut text = source.to_owned();
    for edit in edits {
        text.replace_range(edit.start..edit.end, &edit.text);
    }
    text
}

/// `async (nango, input) => { ... }` of a function.
fn of_function(source: &str, function: &Function<'_>) -> Option<String> {
    let body = function.body.as_ref()?;
    Some(door(source, &function.params, body.span, function.r#async))
}

fn of_arrow(source: &str, arrow: &ArrowFunctionExpression<'_>) -> String {
    let body = arrow.body.span();
    door(source, &arrow.params, body, arrow.r#async)
}

fn of_expression(source: &str, program: &Program<'_>, value: &Expression<'_>) -> Option<String> {
    match value.get_inner_expression() {
        Expression::ArrowFunctionExpression(arrow) => Some(of_arrow(source, arrow)),
        Expression::FunctionExpression(function) => of_function(source, function),
        Expression::Identifier(name) => {
            // The function stands elsewhere in this file; it is called as it is.
            let there = program
                .body
                .iter()
                .any(|statement| declares(statement, &name.name));
            there.then(|| name.name.to_string())
        }
        _ => None,
    }
}

/// Whether a statement declares a function of that name.
fn declares(statement: &Statement<'_>, name: &str) -> bool {
    match statement {
        Statement::FunctionDeclaration(function) => {
            function.id.as_ref().is_some_and(|id| id.name == name)
        }
        Statement::VariableDeclaration(variables) => variables
            .declarations
            .iter()
            .any(|one| matches!(&one.id, BindingPattern::BindingIdentifier(id) if id.name == name)),
        _ => false,
    }
}

fn door(source: &str, parameters: &FormalParameters<'_>, body: Span, is_async: bool) -> String {
    let names = parameters
        .items
        .iter()
        .map(|parameter| match &parameter.pattern {
            BindingPattern::BindingIdentifier(name) => name.name.to_string(),
            other => text(source, other.span()).to_owned(),
        });
    let names = names.collect::<Vec<_>>().join(", ");
    let keyword = if is_async { "async " } else { "" };
    format!("{keyword}({names}) => {}", text(source, body))
}

fn text(source: &str, span: Span) -> &str {
    &source[span.start as usize..span.end as usize]
}

/// Whether the file imports something under that name.
fn binds(program: &Program<'_>, name: &str) -> bool {
    program.body.iter().any(|statement| match statement {
        Statement::ImportDeclaration(import) => {
            import.specifiers.iter().flatten().any(|specifier| {
                let local = match specifier {
                    ImportDeclarationSpecifier::ImportSpecifier(one) => &one.local,
                    ImportDeclarationSpecifier::ImportDefaultSpecifier(one) => &one.local,
                    ImportDeclarationSpecifier::ImportNamespaceSpecifier(one) => &one.local,
                };
                local.name == name
            })
        }
        _ => false,
    })
}
