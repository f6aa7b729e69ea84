//! One source file: parsed, types removed, imports and exports rewritten.

use std::path::Path;

use super::{
    checks,
    diagnostic::{CompileError, Diagnostic},
    entry::{self, Entry},
    rewrite::{self, Dialect},
    source_map::Mapping,
};
use oxc::{
    allocator::Allocator,
    codegen::{Codegen, CodegenOptions, CommentOptions},
    diagnostics::OxcDiagnostic,
    parser::Parser,
    semantic::SemanticBuilder,
    span::SourceType,
    transformer::{TransformOptions, Transformer},
};

/// A file made ready to stand in a bundle.
#[derive(Debug)]
pub(super) struct Module {
    /// Path relative to the project.
    pub(super) path: String,
    /// Body of the module function, without imports and exports.
    pub(super) code: String,
    /// Mappings of `code`; their source is to be filled in.
    pub(super) mappings: Vec<Mapping>,
    /// What it imports, in order of evaluation.
    pub(super) requests: Vec<rewrite::Request>,
    /// `(exported name, expression)`, read through getters.
    pub(super) exports: Vec<(String, String)>,
    /// Requests whose exports are passed on (`export *`).
    pub(super) passed_on: Vec<usize>,
    /// Whether the file speaks `CommonJS`: no import or export anywhere.
    pub(super) common_js: bool,
    /// Whether it belongs to a package.
    pub(super) of_package: bool,
    /// Names of Node that it takes for global.
    pub(super) globals: Vec<&'static str>,
    /// What is worth a word but no error.
    pub(super) warnings: Vec<Diagnostic>,
}

/// What a file is compiled as.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Role {
    /// The file of a function: its exports are checked.
    Entry,
    /// Something it imports.
    Dependency,
    /// A file of a package; by its own account in the language's own modules or not.
    Package { declares_modules: bool },
}

/// Compiles one TypeScript or JavaScript file.
pub(super) fn compile(
    path: &str,
    source: &str,
    role: Role,
) -> Result<(Module, Option<Entry>), CompileError> {
    let allocator = Allocator::default();
    let source_type = source_type(path, source, role);
    let parsed = Parser::new(&allocator, source, source_type).parse();
    check(path, source, parsed.diagnostics.errors())?;
    let mut program = parsed.program;
    let entry = match role {
        Role::Entry => Some(entry::entry(path, source, &program)?),
        Role::Dependency | Role::Package { .. } => None,
    };

    let semantic = SemanticBuilder::new()
        .with_check_syntax_error(true)
        .with_excess_capacity(2.0)
        .with_enum_eval(true)
        .with_build_nodes(true)
        .build(&program);
    check(path, source, semantic.diagnostics.errors())?;
    let findings = checks::check(path, source, &semantic.semantic, entry.as_ref());
    if !findings.errors.is_empty() {
        return Err(CompileError {
            diagnostics: findings.errors,
        });
    }
    let options = TransformOptions::default();
    let transformed = Transformer::new(&allocator, Path::new(path), &options)
        .build_with_scoping(semantic.semantic.into_scoping(), &mut program);
    check(path, source, transformed.diagnostics.errors())?;

    let dialect = match role {
        Role::Entry | Role::Dependency => Dialect::Project,
        Role::Package { .. } if source_type.is_module() => Dialect::PackageModule,
        Role::Package { .. } => Dialect::PackageCommonJs,
    };
    let rewritten = rewrite::rewrite(path, source, dialect, &allocator, &mut program)?;
    let printed = Codegen::new()
        .with_options(CodegenOptions {
            comments: CommentOptions::disabled(),
            source_map_path: Some(path.into()),
            ..CodegenOptions::default()
        })
        .build(&program);
    let mappings = printed.map.map_or_else(Vec::new, |map| {
        map.get_tokens()
            .map(|token| Mapping {
                line: token.get_dst_line(),
                column: token.get_dst_col(),
                source: 0,
                source_line: token.get_src_line(),
                source_column: token.get_src_col(),
            })
            .collect()
    });
    let mappings = match dialect {
        Dialect::Project => mappings,
        Dialect::PackageModule | Dialect::PackageCommonJs => first_of_each_line(mappings),
    };
    let module = Module {
        path: path.to_owned(),
        code: printed.code,
        mappings,
        requests: rewritten.requests,
        exports: rewritten.exports,
        passed_on: rewritten.passed_on,
        common_js: rewritten.common_js,
        of_package: dialect != Dialect::Project,
        globals: rewritten.globals,
        warnings: findings.warnings,
    };
    Ok((module, entry))
}

/// A line is enough to find a place in a package, and a tenth of the map.
fn first_of_each_line(mut mappings: Vec<Mapping>) -> Vec<Mapping> {
    mappings.dedup_by_key(|mapping| mapping.line);
    mappings
}

fn source_type(path: &str, source: &str, role: Role) -> SourceType {
    if let Role::Package { declares_modules } = role {
        return package_source_type(path, source, declares_modules);
    }
    if path.ends_with(".cjs") || path.ends_with(".cts") {
        return SourceType::from_path(path).unwrap_or_default();
    }
    SourceType::from_path(path)
        .unwrap_or_else(|_| SourceType::ts())
        .with_module(true)
}

/// Many packages have import statements in files that Node would take for `CommonJS`: what a file holds decides.
fn package_source_type(path: &str, source: &str, declares_modules: bool) -> SourceType {
    let written = SourceType::from_path(path).unwrap_or_default();
    let language = if written.is_typescript() {
        SourceType::ts()
    } else {
        SourceType::mjs()
    };
    if declares_modules {
        return language;
    }
    let allocator = Allocator::default();
    let guess = Parser::new(&allocator, source, language.with_unambiguous(true)).parse();
    if guess.program.source_type.is_module() && !path.ends_with(".cjs") {
        language
    } else {
        language.with_commonjs(true)
    }
}

/// Complaints of the parser in our form.
fn check<'d>(
    path: &str,
    source: &str,
    errors: impl Iterator<Item = &'d OxcDiagnostic>,
) -> Result<(), CompileError> {
    let diagnostics: Vec<Diagnostic> = errors
        .map(|error| {
            let label = error.labels.first();
            let start = label.map_or(0, |label| label.offset() as usize);
            let end = start + label.map_or(0, |label| label.len() as usize);
            let diagnostic = Diagnostic::at(path, source, start, end, sentence(&error.message));
            match &error.help {
                Some(help) => diagnostic.with_hint(help.to_string()),
                None => diagnostic,
            }
        })
        .collect();
    if diagnostics.is_empty() {
        Ok(())
    } else {
        Err(CompileError { diagnostics })
    }
}

/// Our messages start in lower case and have no final stop.
fn sentence(message: &str) -> String {
    let message = message.trim_end_matches('.');
    let mut chars = message.chars();
    match (chars.next(), chars.next()) {
        (Some(first), Some(second)) if second.is_lowercase() || second == ' ' => first
            .to_lowercase()
            .chain(message.chars().skip(1))
            .collect(),
        _ => message.to_owned(),
    }
}
