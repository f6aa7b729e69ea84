//! Imports and exports of a file, rewritten so that its statements can stand in a function.
//!
//! Every use of an imported name becomes a property of the imported module (`__tenon_import_0.name`), read at the time
//! of use: so cyclic imports see each other's later values, as the language says.

mod production;
mod require;

use std::collections::HashMap;

use oxc::{
    allocator::{Allocator, ArenaVec},
    ast::{
        ast::{
            Argument, ArrowFunctionExpression, BindingPattern, CallExpression, ClassType,
            Declaration, ExportDefaultDeclaration, ExportDefaultDeclarationKind, Expression,
            ForOfStatement, Function, FunctionType, IdentifierName, ImportDeclaration,
            ImportDeclarationSpecifier, ModuleExportName, NumberBase, ObjectProperty, Program,
            Statement, TryStatement, VariableDeclarationKind, VariableDeclarator,
        },
        builder::AstBuilder,
    },
    ast_visit::{VisitMut, walk_mut},
    semantic::{ReferenceId, Scoping, SemanticBuilder, SymbolId},
    span::{SPAN, Span},
    str::Str,
    syntax::scope::ScopeFlags,
};

use super::{
    binding::{
        Binding, bound_names, default_variable, dynamic_variable, is_identifier, required_variable,
        text_of, variable,
    },
    diagnostic::{CompileError, Diagnostic},
    imports::{self, Import},
};

/// Holds the default export where the source gives it no name.
const DEFAULT: &str = "__tenon_default_export";

/// Stands for `import.meta` in packages.
const META: &str = "__tenon_meta";

/// Names of Node that only files of packages may use as if they were global.
const GLOBALS: [&str; 4] = ["process", "global", "__dirname", "__filename"];

/// Which rules a file is read by.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Dialect {
    /// A file of the project: what cannot work is an error.
    Project,
    /// A file of a package with import or export statements.
    PackageModule,
    /// Any other file of a package.
    PackageCommonJs,
}

/// A module that a file asks for.
#[derive(Clone, Debug)]
pub(super) struct Request {
    pub(super) specifier: String,
    /// Where the specifier stands, in bytes.
    pub(super) span: (usize, usize),
    pub(super) kind: RequestKind,
}

/// How a module is asked for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum RequestKind {
    /// `import ... from`.
    Static,
    /// `import(...)`.
    Dynamic,
    /// `require(...)` in a package; a guarded one stands in a `try` that expects it to fail.
    Require { guarded: bool },
}

/// What was taken out of the program.
#[derive(Debug, Default)]
pub(super) struct Rewritten {
    pub(super) requests: Vec<Request>,
    pub(super) exports: Vec<(String, String)>,
    pub(super) passed_on: Vec<usize>,
    pub(super) common_js: bool,
    /// Names of Node that the file takes for global.
    pub(super) globals: Vec<&'static str>,
}

/// Rewrites a program whose types are gone already.
pub(super) fn rewrite<'a>(
    path: &str,
    source: &str,
    dialect: Dialect,
    allocator: &'a Allocator,
    program: &mut Program<'a>,
) -> Result<Rewritten, CompileError> {
    let scoping = SemanticBuilder::new()
        .build(program)
        .semantic
        .into_scoping();
    let mut rewriter = Rewriter {
        path,
        source,
        dialect,
        builder: AstBuilder::new(allocator),
        scoping,
        bindings: HashMap::new(),
        depth: 0,
        tries: 0,
        out: Rewritten::default(),
        diagnostics: Vec::new(),
    };
    program.hashbang = None;
    if dialect == Dialect::PackageCommonJs {
        // Its directives stay: such a file decides by itself whether it is strict.
        rewriter.out.common_js = true;
    } else {
        rewriter.take_statements(program);
        program.directives.clear();
    }
    if dialect != Dialect::Project {
        rewriter.find_globals();
    }
    rewriter.visit_program(program);
    if rewriter.diagnostics.is_empty() {
        Ok(rewriter.out)
    } else {
        let diagnostics = rewriter.diagnostics;
        Err(CompileError { diagnostics })
    }
}

struct Rewriter<'s, 'a> {
    path: &'s str,
    source: &'s str,
    dialect: Dialect,
    builder: AstBuilder<'a>,
    scoping: Scoping,
    bindings: HashMap<SymbolId, Binding>,
    /// Functions around the current place.
    depth: usize,
    /// `try` blocks around the current place.
    tries: usize,
    out: Rewritten,
    diagnostics: Vec<Diagnostic>,
}

impl<'a> Rewriter<'_, 'a> {
    fn find_globals(&mut self) {
        let unresolved = self.scoping.root_unresolved_references();
        let used = GLOBALS
            .into_iter()
            .filter(|name| unresolved.keys().any(|key| key.as_str() == *name));
        self.out.globals = used.collect();
    }

    fn take_statements(&mut self, program: &mut Program<'a>) {
        let statements = std::mem::replace(&mut program.body, ArenaVec::new_in(&self.builder));
        // Imports are bound first: an export of an imported name may stand above its import.
        for statement in &statements {
            if let Statement::ImportDeclaration(import) = statement {
                self.bind(import);
            }
        }
        let mut seen_module_syntax = false;
        for statement in statements {
            seen_module_syntax |= statement.is_module_declaration();
            match statement {
                Statement::ImportDeclaration(_) => {}
                statement => self.take_statement(statement, program),
            }
        }
        self.out.common_js = !seen_module_syntax;
    }

    fn take_statement(&mut self, statement: Statement<'a>, program: &mut Program<'a>) {
        match statement {
            Statement::ExportAllDeclaration(export) => {
                let request = self.request(
                    &export.source.value,
                    export.source.span,
                    RequestKind::Static,
                );
                match &export.exported {
                    Some(name) => self.export(name.name().as_str(), variable(request)),
                    None => self.out.passed_on.push(request),
                }
            }
            Statement::ExportFromDeclaration(export) => {
                let request = self.request(
                    &export.source.value,
                    export.source.span,
                    RequestKind::Static,
                );
                for specifier in &export.specifiers {
                    let binding = self.member(
                        request,
                        specifier.local.name().as_str(),
                        &export.source.value,
                    );
                    self.export(specifier.exported.name().as_str(), text_of(&binding));
                }
            }
            Statement::ExportNamedDeclaration(export) => {
                for specifier in &export.specifiers {
                    if let ModuleExportName::IdentifierReference(local) = &specifier.local {
                        let text = self
                            .binding_of(local.reference_id.get())
                            .map_or_else(|| local.name.to_string(), |binding| text_of(&binding));
                        self.export(specifier.exported.name().as_str(), text);
                    }
                }
            }
            Statement::ExportDeclaration(export) => {
                let declaration = export.unbox().declaration;
                self.export_declared(&declaration);
                program.body.push(Statement::from(declaration));
            }
            Statement::ExportDefaultDeclaration(export) => {
                let statement = self.take_default(export.unbox());
                program.body.extend(statement);
            }
            Statement::TSExportAssignment(export) => {
                self.complain(
                    export.span,
                    "`export =` cannot be bundled",
                    "use `export default`",
                );
            }
            other => program.body.push(other),
        }
    }

    fn bind(&mut self, import: &ImportDeclaration<'a>) {
        let specifier = import.source.value.as_str();
        let request = self.request(specifier, import.source.span, RequestKind::Static);
        for named in import.specifiers.iter().flatten() {
            let (local, binding) = match named {
                ImportDeclarationSpecifier::ImportSpecifier(named) => (
                    &named.local,
                    self.member(request, named.imported.name().as_str(), specifier),
                ),
                ImportDeclarationSpecifier::ImportDefaultSpecifier(named) => {
                    (&named.local, self.member(request, "default", specifier))
                }
                ImportDeclarationSpecifier::ImportNamespaceSpecifier(named) => {
                    (&named.local, Binding::Namespace(request))
                }
            };
            if let Some(symbol) = local.symbol_id.get() {
                self.bindings.insert(symbol, binding);
            }
        }
    }

    fn member(&self, request: usize, name: &str, specifier: &str) -> Binding {
        let outside = matches!(imports::judge(specifier), Import::Offered(_));
        if outside && name == "default" {
            Binding::OutsideDefault(request)
        } else {
            Binding::Member(request, name.to_owned())
        }
    }

    fn request(&mut self, specifier: &str, span: Span, kind: RequestKind) -> usize {
        self.out.requests.push(Request {
            specifier: specifier.to_owned(),
            span: (span.start as usize, span.end as usize),
            kind,
        });
        self.out.requests.len() - 1
    }

    fn export(&mut self, name: &str, text: String) {
        self.out.exports.push((name.to_owned(), text));
    }

    fn export_declared(&mut self, declaration: &Declaration<'a>) {
        match declaration {
            Declaration::VariableDeclaration(variables) => {
                let mut names = Vec::new();
                for declarator in &variables.declarations {
                    bound_names(&declarator.id, &mut names);
                }
                for name in names {
                    self.export(&name, name.clone());
                }
            }
            Declaration::FunctionDeclaration(function) => {
                if let Some(id) = &function.id {
                    self.export(&id.name, id.name.to_string());
                }
            }
            Declaration::ClassDeclaration(class) => {
                if let Some(id) = &class.id {
                    self.export(&id.name, id.name.to_string());
                }
            }
            _ => {}
        }
    }

    /// The statement that is left of a default export.
    fn take_default(&mut self, export: ExportDefaultDeclaration<'a>) -> Option<Statement<'a>> {
        let value = match export.declaration {
            ExportDefaultDeclarationKind::FunctionDeclaration(mut function) => {
                if let Some(id) = &function.id {
                    self.export("default", id.name.to_string());
                    return Some(Statement::FunctionDeclaration(function));
                }
                function.r#type = FunctionType::FunctionExpression;
                Expression::FunctionExpression(function)
            }
            ExportDefaultDeclarationKind::ClassDeclaration(mut class) => {
                if let Some(id) = &class.id {
                    self.export("default", id.name.to_string());
                    return Some(Statement::ClassDeclaration(class));
                }
                class.r#type = ClassType::ClassExpression;
                Expression::ClassExpression(class)
            }
            ExportDefaultDeclarationKind::TSInterfaceDeclaration(_) => return None,
            expression => expression.into_expression(),
        };
        self.export("default", DEFAULT.to_owned());
        let builder = &self.builder;
        let pattern = BindingPattern::new_binding_identifier(SPAN, DEFAULT, builder);
        let declarator = VariableDeclarator::new(SPAN, pattern, None, Some(value), false, builder);
        let kind = VariableDeclarationKind::Const;
        let declaration =
            Declaration::new_variable_declaration(export.span, kind, [declarator], false, builder);
        Some(Statement::from(declaration))
    }

    fn binding_of(&self, reference: Option<ReferenceId>) -> Option<Binding> {
        let symbol = self.scoping.get_reference(reference?).symbol_id()?;
        self.bindings.get(&symbol).cloned()
    }

    fn expression_of(&self, binding: &Binding, span: Span) -> Expression<'a> {
        let builder = &self.builder;
        let identifier = |name: String| {
            Expression::new_identifier(span, Str::from_str_in(&name, builder), builder)
        };
        match binding {
            Binding::Namespace(request) => identifier(variable(*request)),
            Binding::OutsideDefault(request) => identifier(default_variable(*request)),
            Binding::Member(request, name) if is_identifier(name) => {
                let name = IdentifierName::new(span, Str::from_str_in(name, builder), builder);
                Expression::new_static_member_expression(
                    span,
                    identifier(variable(*request)),
                    name,
                    false,
                    builder,
                )
            }
            Binding::Member(request, name) => {
                let name = Expression::new_string_literal(
                    span,
                    Str::from_str_in(name, builder),
                    None,
                    builder,
                );
                Expression::new_computed_member_expression(
                    span,
                    identifier(variable(*request)),
                    name,
                    false,
                    builder,
                )
            }
        }
    }

    fn complain(&mut self, span: Span, message: &str, hint: &str) {
        let (start, end) = (span.start as usize, span.end as usize);
        let diagnostic = Diagnostic::at(self.path, self.source, start, end, message.to_owned());
        self.diagnostics.push(diagnostic.with_hint(hint));
    }

    fn take_dynamic(&mut self, expression: &mut Expression<'a>) {
        let Expression::ImportExpression(import) = expression else {
            return;
        };
        let span = import.span;
        let Expression::StringLiteral(specifier) = &import.source else {
            if self.dialect != Dialect::Project {
                *expression = self.unknown_import(import);
                return;
            }
            self.complain(
                span,
                "only a literal can be imported dynamically",
                "import the module at the top of the file",
            );
            return;
        };
        let (specifier, at) = (specifier.value.to_string(), specifier.span);
        let request = self.request(&specifier, at, RequestKind::Dynamic);
        let builder = &self.builder;
        let name = Str::from_str_in(&dynamic_variable(request), builder);
        let callee = Expression::new_identifier(span, name, builder);
        let arguments: [Argument<'a>; 0] = [];
        *expression =
            Expression::new_call_expression(span, callee, None, arguments, false, builder);
    }
}

impl<'a> VisitMut<'a> for Rewriter<'_, 'a> {
    fn visit_expression(&mut self, expression: &mut Expression<'a>) {
        if self.dialect != Dialect::Project {
            self.fold_expression(expression);
        }
        match expression {
            Expression::Identifier(name) => {
                if let Some(binding) = self.binding_of(name.reference_id.get()) {
                    *expression = self.expression_of(&binding, name.span);
                }
                return;
            }
            Expression::ImportExpression(_) => self.take_dynamic(expression),
            Expression::ImportMeta(meta) => {
                let span = meta.span;
                if self.dialect != Dialect::Project {
                    *expression = Expression::new_identifier(span, META, &self.builder);
                    return;
                }
                self.complain(
                    span,
                    "`import.meta` is not available in functions",
                    "bundles have no location",
                );
            }
            Expression::AwaitExpression(wait) if self.depth == 0 => {
                let span = wait.span;
                self.complain(
                    span,
                    "`await` is not available at the top of a file",
                    "move it into `exec`",
                );
            }
            _ => {}
        }
        walk_mut::walk_expression(self, expression);
    }

    fn visit_call_expression(&mut self, call: &mut CallExpression<'a>) {
        self.take_require(call);
        let imported = match &call.callee {
            Expression::Identifier(name) => self.binding_of(name.reference_id.get()),
            _ => None,
        };
        walk_mut::walk_call_expression(self, call);
        // `(0, module.name)()` keeps the module from becoming `this`.
        if let Some(Binding::Member(..)) = imported {
            let builder = &self.builder;
            let zero =
                Expression::new_numeric_literal(SPAN, 0.0, None, NumberBase::Decimal, builder);
            let callee = std::mem::replace(
                &mut call.callee,
                Expression::new_null_literal(SPAN, builder),
            );
            call.callee = Expression::new_sequence_expression(SPAN, [zero, callee], builder);
        }
    }

    fn visit_statement(&mut self, statement: &mut Statement<'a>) {
        if self.dialect != Dialect::Project {
            self.fold_statement(statement);
        }
        walk_mut::walk_statement(self, statement);
    }

    fn visit_try_statement(&mut self, statement: &mut TryStatement<'a>) {
        self.tries += 1;
        self.visit_block_statement(&mut statement.block);
        self.tries -= 1;
        if let Some(handler) = &mut statement.handler {
            self.visit_catch_clause(handler);
        }
        if let Some(finalizer) = &mut statement.finalizer {
            self.visit_block_statement(finalizer);
        }
    }

    fn visit_object_property(&mut self, property: &mut ObjectProperty<'a>) {
        if let (true, Expression::Identifier(name)) = (property.shorthand, &property.value) {
            property.shorthand = self.binding_of(name.reference_id.get()).is_none();
        }
        walk_mut::walk_object_property(self, property);
    }

    fn visit_function(&mut self, function: &mut Function<'a>, flags: ScopeFlags) {
        self.depth += 1;
        walk_mut::walk_function(self, function, flags);
        self.depth -= 1;
    }

    fn visit_arrow_function_expression(&mut self, arrow: &mut ArrowFunctionExpression<'a>) {
        self.depth += 1;
        walk_mut::walk_arrow_function_expression(self, arrow);
        self.depth -= 1;
    }

    fn visit_for_of_statement(&mut self, statement: &mut ForOfStatement<'a>) {
        if statement.r#await && self.depth == 0 {
            self.complain(
                statement.span,
                "`for await` is not available at the top of a file",
                "move it into `exec`",
            );
        }
        walk_mut::walk_for_of_statement(self, statement);
    }
}
