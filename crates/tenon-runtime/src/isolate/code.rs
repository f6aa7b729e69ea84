//! JavaScript on its way to an isolate: sources of ours, and bytecode compiled once per worker or come from the host.
//!
//! Isolates cannot compile (they have no `eval`), so all code reaches them as bytecode. Bytecode is as powerful as machine
//! code: it is compiled by the worker that runs it, or by a process that saw nothing but its source; what a worker that has
//! run functions compiles never leaves it.

use std::{
    collections::HashMap,
    ffi::CString,
    sync::{Arc, Mutex, OnceLock, PoisonError},
};

use bytes::Bytes;
use rquickjs::{Context, Ctx, Function, Runtime, Value, context::intrinsic, qjs};

use crate::wire::SentCode;

/// Modules written here, under the names by which they `require` each other.
const OURS: &[(&str, &str)] = &[
    ("start", include_str!("../../js/start.js")),
    ("failure", include_str!("../../js/failure.js")),
    ("nango", include_str!("../../js/nango.js")),
    ("records", include_str!("../../js/records.js")),
    ("replay", include_str!("../../js/replay.js")),
    ("guard", include_str!("../../js/guard.js")),
    ("http", include_str!("../../js/http.js")),
    ("paginate", include_str!("../../js/paginate.js")),
    ("paths", include_str!("../../js/paths.js")),
    ("stream", include_str!("../../js/stream.js")),
    ("definitions", include_str!("../../js/definitions.js")),
    ("buffer", include_str!("../../js/buffer.js")),
    ("url", include_str!("../../js/url.js")),
    ("web", include_str!("../../js/web.js")),
    ("body", include_str!("../../js/body.js")),
    ("intl", include_str!("../../js/intl.js")),
    ("crypto", include_str!("../../js/crypto.js")),
    ("unzipper", include_str!("../../js/unzipper.js")),
    ("soap", include_str!("../../js/soap.js")),
    ("wsdl", include_str!("../../js/wsdl.js")),
    ("xml", include_str!("../../js/xml.js")),
];

/// zod by its lock file, one entry per module.
const ZOD: &[(&str, &str)] = include!(concat!(env!("OUT_DIR"), "/zod.rs"));

/// Module whose use means that a bundle wants zod.
pub(crate) const ZOD_ENTRY: &str = "zod/index.cjs";

/// Most memory for compiling one bundle.
const COMPILER_BYTES: usize = 512 * 1024 * 1024;

/// Bytecode of one script whose value is a function.
pub(crate) type Bytecode = Arc<[u8]>;

/// Compiled modules and bundles of a worker.
#[derive(Debug, Default)]
pub(crate) struct Code {
    modules: Mutex<HashMap<&'static str, Bytecode>>,
    bundles: Mutex<HashMap<String, Arc<Bundle>>>,
}

/// A bundle that this worker has, compiled at its first use if it did not come so.
#[derive(Debug)]
pub(crate) struct Bundle {
    source: Bytes,
    file: String,
    compiled: OnceLock<Result<Bytecode, String>>,
}

impl Bundle {
    pub(crate) fn new(code: SentCode, file: String) -> Self {
        let (source, compiled) = match code {
            SentCode::Source(source) => (source, OnceLock::new()),
            SentCode::Bytecode(bytes) => (Bytes::new(), OnceLock::from(Ok(Arc::from(&bytes[..])))),
        };
        Self {
            source,
            file,
            compiled,
        }
    }

    /// The bytecode; runs that start at the same time wait for the one that compiles.
    pub(crate) fn bytecode(&self) -> Result<Bytecode, String> {
        let compile = || match std::str::from_utf8(&self.source) {
            Ok(source) => compile(source, "exports, require, module", &self.file),
            Err(_) => Err("it is not UTF-8".to_owned()),
        };
        self.compiled.get_or_init(compile).clone()
    }
}

impl Code {
    /// A module of ours or of zod.
    pub(crate) fn module(&self, name: &str) -> Option<Bytecode> {
        let (name, source) = OURS.iter().chain(ZOD).find(|(known, _)| *known == name)?;
        let mut modules = self.modules.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(known) = modules.get(name) {
            return Some(known.clone());
        }
        let parameters = if *name == "start" {
            "native"
        } else {
            "exports, require, module, shared"
        };
        let bytecode = compile_as(
            source,
            parameters,
            &format!("tenon:{name}"),
            Places::Dropped,
        )
        .unwrap_or_else(|error| unreachable!("module `{name}` compiles: {error}"));
        modules.insert(name, bytecode.clone());
        Some(bytecode)
    }

    /// A bundle that came before.
    pub(crate) fn bundle(&self, hash: &str) -> Option<Arc<Bundle>> {
        self.bundles
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
            .get(hash)
            .cloned()
    }

    /// Keeps a bundle for this run and later ones.
    pub(crate) fn add_bundle(&self, hash: &str, code: SentCode, file: String) -> Arc<Bundle> {
        let bundle = Arc::new(Bundle::new(code, file));
        self.bundles
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
            .insert(hash.to_owned(), bundle.clone());
        bundle
    }

    pub(crate) fn forget_bundle(&self, hash: &str) {
        self.bundles
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
            .remove(hash);
    }
}

/// Whether bytecode knows the lines it came from: a function's does, for its stacks; ours is smaller and read faster.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Places {
    Kept,
    Dropped,
}

/// Compiles `source` as the body of a function; the error is the message of the `SyntaxError`.
pub(crate) fn compile(source: &str, parameters: &str, file: &str) -> Result<Bytecode, String> {
    compile_as(source, parameters, file, Places::Kept)
}

fn compile_as(
    source: &str,
    parameters: &str,
    file: &str,
    places: Places,
) -> Result<Bytecode, String> {
    let runtime = Runtime::new().map_err(|error| error.to_string())?;
    runtime.set_memory_limit(COMPILER_BYTES);
    runtime.set_max_stack_size(super::JS_STACK_BYTES);
    let context = Context::builder()
        .with::<intrinsic::Eval>()
        .with::<intrinsic::RegExpCompiler>()
        .with::<intrinsic::RegExp>()
        .build(&runtime)
        .map_err(|error| error.to_string())?;
    let script = CString::new(format!("(function ({parameters}) {{{source}\n}})"))
        .map_err(|_| "the source holds a NUL character".to_owned())?;
    let file = CString::new(file.replace('\0', "")).expect("NUL was taken out");
    context.with(|ctx| {
        super::enter(&ctx);
        let flags = qjs::JS_EVAL_TYPE_GLOBAL | qjs::JS_EVAL_FLAG_COMPILE_ONLY;
        // SAFETY: both strings outlive the call; the result is owned by `function`.
        let function = unsafe {
            let raw = qjs::JS_Eval(
                ctx.as_raw().as_ptr(),
                script.as_ptr(),
                script.as_bytes().len() as _,
                file.as_ptr(),
                flags as _,
            );
            Value::from_raw(ctx.clone(), raw)
        };
        if function.is_exception() {
            return Err(message(&ctx));
        }
        let flags = qjs::JS_WRITE_OBJ_BYTECODE
            | match places {
                Places::Kept => qjs::JS_WRITE_OBJ_STRIP_SOURCE,
                Places::Dropped => qjs::JS_WRITE_OBJ_STRIP_SOURCE | qjs::JS_WRITE_OBJ_STRIP_DEBUG,
            };
        let mut length = 0;
        // SAFETY: `function` is a compiled script; the bytes are copied before they are freed.
        unsafe {
            let bytes = qjs::JS_WriteObject(
                ctx.as_raw().as_ptr(),
                &raw mut length,
                function.as_raw(),
                flags as _,
            );
            if bytes.is_null() {
                return Err(message(&ctx));
            }
            let copy = Arc::from(std::slice::from_raw_parts(bytes, length as usize));
            qjs::js_free(ctx.as_raw().as_ptr(), bytes.cast());
            Ok(copy)
        }
    })
}

fn message(ctx: &Ctx<'_>) -> String {
    let thrown = ctx.catch();
    let message = thrown
        .as_object()
        .and_then(|error| error.get::<_, String>("message").ok());
    message.unwrap_or_else(|| "the source could not be compiled".to_owned())
}

/// The function that `bytecode` stands for, inside this isolate.
pub(crate) fn load<'js>(ctx: &Ctx<'js>, bytecode: &Bytecode) -> rquickjs::Result<Function<'js>> {
    // SAFETY: the bytes were written by `compile`, here or in a process of the host's that saw only their source;
    // `JS_EvalFunction` takes the object over.
    let value = unsafe {
        let raw = ctx.as_raw().as_ptr();
        let script = qjs::JS_ReadObject(
            raw,
            bytecode.as_ptr(),
            bytecode.len() as _,
            qjs::JS_READ_OBJ_BYTECODE as _,
        );
        if qjs::JS_IsException(script) {
            return Err(rquickjs::Error::Exception);
        }
        Value::from_raw(ctx.clone(), qjs::JS_EvalFunction(raw, script))
    };
    if value.is_exception() {
        return Err(rquickjs::Error::Exception);
    }
    value
        .into_function()
        .ok_or_else(|| rquickjs::Error::new_from_js("script", "function"))
}
