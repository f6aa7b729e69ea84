//! JSON into JavaScript values, without a detour through text that JavaScript would parse.

use std::borrow::Cow;

use rquickjs::{Array, Ctx, Object, Value, qjs};
use tenon_core::function::{HostReply, HttpReply};

use super::{BodyMode, text};

/// Parses JSON text natively. `__proto__` becomes an ordinary own property.
pub(super) fn parse<'js>(ctx: &Ctx<'js>, text: &[u8]) -> rquickjs::Result<Value<'js>> {
    let mut terminated = Vec::with_capacity(text.len() + 1);
    terminated.extend_from_slice(text);
    terminated.push(0);
    // SAFETY: the text ends with NUL as the parser asks; both strings outlive the call; the result is owned.
    let value = unsafe {
        let raw = qjs::JS_ParseJSON(
            ctx.as_raw().as_ptr(),
            terminated.as_ptr().cast(),
            text.len() as _,
            c"<json>".as_ptr(),
        );
        Value::from_raw(ctx.clone(), raw)
    };
    if value.is_exception() {
        Err(rquickjs::Error::Exception)
    } else {
        Ok(value)
    }
}

/// A value of ours as a JavaScript value.
pub(super) fn value<'js>(
    ctx: &Ctx<'js>,
    value: &serde_json::Value,
) -> rquickjs::Result<Value<'js>> {
    parse(ctx, value.to_string().as_bytes())
}

/// An answer of the host as a JavaScript value.
pub(super) fn reply<'js>(
    ctx: &Ctx<'js>,
    reply: &HostReply,
    mode: BodyMode,
) -> rquickjs::Result<Value<'js>> {
    match reply {
        HostReply::Done => Ok(Value::new_undefined(ctx.clone())),
        HostReply::Json(json) => value(ctx, json),
        HostReply::JsonText(text) => parse(ctx, text),
        HostReply::Response(response) => self::response(ctx, response, mode),
        HostReply::Records {
            records,
            next_cursor,
        } => {
            let list = Array::new(ctx.clone())?;
            for (index, record) in records.iter().enumerate() {
                list.set(index, parse(ctx, record)?)?;
            }
            let page = Object::new(ctx.clone())?;
            page.set("records", list)?;
            page.set("next_cursor", next_cursor.as_deref())?;
            Ok(page.into_value())
        }
    }
}

/// A response with its body in the way the call asked for.
pub(super) fn response<'js>(
    ctx: &Ctx<'js>,
    reply: &HttpReply,
    mode: BodyMode,
) -> rquickjs::Result<Value<'js>> {
    let value = Object::new(ctx.clone())?;
    value.set("status", reply.status)?;
    value.set("statusText", reply.status_text.as_str())?;
    value.set("url", reply.url.as_str())?;
    let headers = Array::new(ctx.clone())?;
    for (index, (name, text)) in reply.headers.iter().enumerate() {
        let pair = Array::new(ctx.clone())?;
        pair.set(0, name.as_str())?;
        pair.set(1, text.as_str())?;
        headers.set(index, pair)?;
    }
    value.set("headers", headers)?;
    value.set("data", body(ctx, &reply.body, mode)?)?;
    Ok(value.into_value())
}

fn body<'js>(ctx: &Ctx<'js>, body: &[u8], mode: BodyMode) -> rquickjs::Result<Value<'js>> {
    if mode == BodyMode::Bytes {
        return text::to_js(ctx, body);
    }
    let text = String::from_utf8_lossy(body);
    let text = match text {
        Cow::Borrowed(text) => Cow::Borrowed(text.strip_prefix('\u{feff}').unwrap_or(text)),
        Cow::Owned(text) => Cow::Owned(
            text.strip_prefix('\u{feff}')
                .map(str::to_owned)
                .unwrap_or(text),
        ),
    };
    if mode == BodyMode::Json && may_be_json(&text) {
        if let Ok(value) = parse(ctx, text.as_bytes()) {
            return Ok(value);
        }
        // Not JSON after all (or too large for the heap, which making the text will find out): handed over as text.
        drop(ctx.catch());
    }
    text::text_to_js(ctx, &text)
}

/// Whether parsing is worth a try.
fn may_be_json(text: &str) -> bool {
    let text = text.trim_start_matches([' ', '\t', '\n', '\r']);
    text.starts_with(['{', '[', '"', '-', 't', 'f', 'n'])
        || text.starts_with(|first: char| first.is_ascii_digit())
}
