//! Records from JavaScript values to the bytes that the store keeps.

use bytes::Bytes;
use rquickjs::{Ctx, Exception, Function, Object, Value, qjs};
use tenon_core::{
    function::{HostCall, RecordInput, RejectedRecord},
    limits,
};

use super::{heap::Heap, text};

/// Properties that are not stored with a record.
const LEFT_OUT: [&str; 2] = ["id", "_nango_metadata"];

/// The records of one call: at most [`limits::BATCH_RECORDS`], which our JavaScript sees to.
///
/// A record that cannot be written ends the call, unless such are put aside.
pub(super) fn inputs<'js>(
    ctx: &Ctx<'js>,
    records: &rquickjs::Array<'js>,
    mut way: Way<'_>,
) -> rquickjs::Result<Vec<RecordInput>> {
    let mut inputs = Vec::with_capacity(records.len().min(limits::BATCH_RECORDS));
    let mut size = 0;
    for index in 0..records.len() {
        let value: Value = records.get(index)?;
        let record = match &mut way {
            Way::Whole => unchecked(ctx, &value)?,
            Way::Checked => input(ctx, &value, index)?,
            Way::Aside(heap, rejected) => match input(ctx, &value, index) {
                Ok(record) => record,
                Err(error) => {
                    rejected.push(rejection(ctx, &value, index, heap, error)?);
                    continue;
                }
            },
        };
        size += record.json.len() + record.id.len();
        if size > limits::BATCH_BYTES {
            let message = format!(
                "A batch of records may have at most {} bytes",
                limits::BATCH_BYTES
            );
            return Err(Exception::throw_range(ctx, &message));
        }
        inputs.push(record);
    }
    Ok(inputs)
}

/// How records are taken.
pub(super) enum Way<'a> {
    /// As they are, without looking at their ids: that is what a replay compares.
    Whole,
    Checked,
    /// Those that cannot be written are put aside.
    Aside(&'a Heap, &'a mut Vec<RejectedRecord>),
}

/// Longest reason of a rejection.
const REASON_CHARS: usize = 300;

/// What is told of a record that cannot be written. What must end the run is no reason.
fn rejection<'js>(
    ctx: &Ctx<'js>,
    value: &Value<'js>,
    index: usize,
    heap: &Heap,
    error: rquickjs::Error,
) -> rquickjs::Result<RejectedRecord> {
    if heap.refusal().is_some() || !error.is_exception() {
        return Err(error);
    }
    let thrown = ctx.catch();
    if thrown.as_object().is_some_and(|object| {
        // SAFETY: the value is alive.
        unsafe { qjs::JS_IsUncatchableError(object.as_raw()) }
    }) {
        return Err(ctx.throw(thrown));
    }
    let reason = thrown
        .as_object()
        .and_then(|object| object.get::<_, String>("message").ok())
        .unwrap_or_else(|| "it cannot be written as JSON".to_owned());
    drop(ctx.catch());
    let id = value
        .as_object()
        .and_then(|object| object.get::<_, Value>("id").ok())
        .and_then(|id| identity(ctx, &id, index).ok());
    drop(ctx.catch());
    Ok(RejectedRecord {
        id,
        reason: reason.chars().take(REASON_CHARS).collect(),
    })
}

/// The call that hands a batch to the host.
pub(super) fn call(operation: &str, model: String, records: Vec<RecordInput>) -> HostCall {
    match operation {
        "update" => HostCall::BatchUpdate { model, records },
        "delete" => HostCall::BatchDelete { model, records },
        _ => HostCall::BatchSave { model, records },
    }
}

fn unchecked<'js>(ctx: &Ctx<'js>, record: &Value<'js>) -> rquickjs::Result<RecordInput> {
    let id = match record.as_object() {
        Some(object) => object
            .get::<_, Value>("id")
            .map(|id| text::text(ctx, &id).unwrap_or_default())?,
        None => String::new(),
    };
    let json = stringify(ctx, record.clone())?.unwrap_or_else(|| b"null".to_vec());
    Ok(RecordInput {
        id,
        json: Bytes::from(json),
    })
}

/// A record as `JSON.stringify` of the whole batch would write it, without the properties that are kept apart.
fn input<'js>(ctx: &Ctx<'js>, value: &Value<'js>, index: usize) -> rquickjs::Result<RecordInput> {
    let record = resolved(ctx, value.clone(), index)?;
    let object = match record.as_object() {
        Some(object) if !record.is_array() && !record.is_function() => object,
        _ => {
            return Err(Exception::throw_type(
                ctx,
                &format!("The record at {index} is not an object"),
            ));
        }
    };
    let id = identity(ctx, &object.get("id")?, index)?;
    let copy = without_prototype(ctx)?;
    for key in object.keys::<Value>() {
        let key = key?;
        let name = key.as_string().and_then(|name| name.to_string().ok());
        if name.as_deref().is_some_and(|name| LEFT_OUT.contains(&name)) {
            continue;
        }
        let item: Value = object.get(key.clone())?;
        // It has been called, if there was one to call: the copy must not call it again.
        if item.is_function() && name.as_deref() == Some("toJSON") {
            continue;
        }
        define(ctx, &copy, &key, item)?;
    }
    let json = stringify(ctx, copy.into_value())?.unwrap_or_else(|| b"{}".to_vec());
    Ok(RecordInput {
        id,
        json: Bytes::from(json),
    })
}

/// What `toJSON` makes of the value, if it has one.
fn resolved<'js>(ctx: &Ctx<'js>, value: Value<'js>, index: usize) -> rquickjs::Result<Value<'js>> {
    let Some(object) = value.as_object() else {
        return Ok(value);
    };
    let Ok(method) = object.get::<_, Value>("toJSON")?.try_into_function() else {
        return Ok(value);
    };
    let method: Function = method;
    let key = rquickjs::String::from_str(ctx.clone(), &index.to_string())?;
    method.call((rquickjs::function::This(value.clone()), key))
}

/// `String(id)` without NUL; falsy ids and those of more than 255 characters are refused.
fn identity(ctx: &Ctx<'_>, id: &Value<'_>, index: usize) -> rquickjs::Result<String> {
    let text = if id.is_string() || id.is_number() {
        text::text(ctx, id)?.replace('\0', "")
    } else {
        String::new()
    };
    let falsy = text.is_empty()
        || id
            .as_number()
            .is_some_and(|number| number == 0.0 || number.is_nan());
    if falsy {
        let message = format!(
            "The record at {index} has no id: it must be a text that is not empty or a number other than 0"
        );
        return Err(Exception::throw_message(ctx, &message));
    }
    if text.encode_utf16().count() > limits::NAME_CHARS {
        let message = format!(
            "The id of the record at {index} is longer than {} characters",
            limits::NAME_CHARS
        );
        return Err(Exception::throw_message(ctx, &message));
    }
    Ok(text)
}

/// `JSON.stringify`; `None` where it would answer `undefined`.
fn stringify<'js>(ctx: &Ctx<'js>, value: Value<'js>) -> rquickjs::Result<Option<Vec<u8>>> {
    let undefined = Value::new_undefined(ctx.clone());
    // SAFETY: the arguments are alive; the result is owned.
    let text = unsafe {
        let raw = qjs::JS_JSONStringify(
            ctx.as_raw().as_ptr(),
            value.as_raw(),
            undefined.as_raw(),
            undefined.as_raw(),
        );
        Value::from_raw(ctx.clone(), raw)
    };
    if text.is_exception() {
        return Err(rquickjs::Error::Exception);
    }
    if text.is_undefined() {
        Ok(None)
    } else {
        text::utf8(ctx, &text).map(Some)
    }
}

/// An object that inherits nothing, so that nothing set on `Object.prototype` is seen in a record.
fn without_prototype<'js>(ctx: &Ctx<'js>) -> rquickjs::Result<Object<'js>> {
    let object = Object::new(ctx.clone())?;
    object.set_prototype(None)?;
    Ok(object)
}

/// Gives `object` an own property, whatever its name.
fn define<'js>(
    ctx: &Ctx<'js>,
    object: &Object<'js>,
    key: &Value<'js>,
    value: Value<'js>,
) -> rquickjs::Result<()> {
    // SAFETY: the atom is freed here; the call takes over one reference to the value, which the clone's `forget` gives.
    let done = unsafe {
        let raw = ctx.as_raw().as_ptr();
        let atom = qjs::JS_ValueToAtom(raw, key.as_raw());
        let owned = qjs::JS_DupValue(raw, value.as_raw());
        let done =
            qjs::JS_DefinePropertyValue(raw, object.as_raw(), atom, owned, qjs::JS_PROP_C_W_E as _);
        qjs::JS_FreeAtom(raw, atom);
        done
    };
    if done < 0 {
        Err(rquickjs::Error::Exception)
    } else {
        Ok(())
    }
}
