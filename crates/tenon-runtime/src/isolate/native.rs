//! The functions written in Rust that our JavaScript is called with. A user's code never holds them.

use std::{rc::Rc, time::Duration};

use bytes::Bytes;
use rquickjs::{Array, Ctx, Exception, Function, Object, Value, function::Opt};
use serde::de::DeserializeOwned;
use tenon_core::function::{FetchCall, HostCall, ProxyBody, ProxyCall, RunFailure};

use super::{
    BodyMode, Bridge, LAST_WORDS_BYTES, OpenCall, code, crypto, failed, heap::Refusal, records,
    succeeded, text, url,
};
use crate::wire::{CALLS_PER_RUN, Ending};

/// Longest text of a call's fields; bodies and records travel beside them.
const FIELDS_BYTES: usize = 16 * 1024 * 1024;

/// Bodies and records of one run that the host holds at a time; a larger one goes alone.
const BYTES_ON_THE_WAY: usize = 64 * 1024 * 1024;

/// Most timers of one run at a time, those counted that were cleared and are not due yet; our own JavaScript stops far
/// below this.
const TIMERS: usize = 200_000;

/// Those that every run needs, in one object; its `tools` makes another one of the rest.
pub(super) fn functions<'js>(ctx: &Ctx<'js>, bridge: &Rc<Bridge>) -> rquickjs::Result<Object<'js>> {
    let object = Object::new(ctx.clone())?;
    calls(ctx, &object, bridge)?;
    life(ctx, &object, bridge)?;
    measure(ctx, &object)?;
    object.set("tools", Function::new(ctx.clone(), tools)?)?;
    Ok(object)
}

fn tools(ctx: Ctx<'_>) -> rquickjs::Result<Object<'_>> {
    let object = Object::new(ctx.clone())?;
    measure(&ctx, &object)?;
    texts(&ctx, &object)?;
    crypto::functions(&ctx, &object)?;
    Ok(object)
}

impl Bridge {
    /// Hands a call over; `false` if so much is on its way already that it must wait for an answer.
    fn send(
        &self,
        ctx: &Ctx<'_>,
        id: f64,
        mode: BodyMode,
        call: HostCall,
    ) -> rquickjs::Result<bool> {
        let id = id as u64;
        let port = self.port.borrow();
        let Some(port) = port.as_ref() else {
            return Err(Exception::throw_message(ctx, "the run has not begun"));
        };
        let size = call_bytes(&call);
        {
            let mut open = self.open.borrow_mut();
            // Our own JavaScript keeps to both; what a function may have got hold of need not.
            if open.len() >= CALLS_PER_RUN || open.contains_key(&id) {
                return Err(Exception::throw_message(ctx, "too many calls at a time"));
            }
            let on_the_way: usize = open.values().map(|call| call.size).sum();
            if !open.is_empty() && on_the_way + size > BYTES_ON_THE_WAY {
                return Ok(false);
            }
            open.insert(id, OpenCall { mode, size });
        }
        match port.call(id, call) {
            Ok(()) => Ok(true),
            Err(message) => {
                self.open.borrow_mut().remove(&id);
                Err(Exception::throw_message(ctx, &message))
            }
        }
    }
}

/// Bytes of a call that the host keeps until it has answered.
fn call_bytes(call: &HostCall) -> usize {
    match call {
        HostCall::Proxy(call) => match &call.body {
            ProxyBody::Json(bytes) | ProxyBody::Bytes(bytes) => bytes.len(),
            ProxyBody::Text(text) => text.len(),
            ProxyBody::Form(pairs) => pairs
                .iter()
                .map(|(name, value)| name.len() + value.len())
                .sum(),
            ProxyBody::Empty => 0,
        },
        HostCall::UncontrolledFetch(call) => call.body.as_ref().map_or(0, Bytes::len),
        HostCall::BatchSave { records, .. }
        | HostCall::BatchUpdate { records, .. }
        | HostCall::BatchDelete { records, .. } => records
            .iter()
            .map(|record| record.id.len() + record.json.len())
            .sum(),
        _ => 0,
    }
}

/// `callHost`, `callProxy`, `callFetch`, `callRecords`.
fn calls<'js>(ctx: &Ctx<'js>, object: &Object<'js>, bridge: &Rc<Bridge>) -> rquickjs::Result<()> {
    let host = bridge.clone();
    object.set(
        "callHost",
        Function::new(
            ctx.clone(),
            move |ctx: Ctx<'js>, id: f64, fields: Value<'js>| {
                let call = fields_of::<HostCall>(&ctx, &fields)?;
                // These have doors of their own, which look at what goes through.
                if matches!(
                    call,
                    HostCall::Proxy(_)
                        | HostCall::UncontrolledFetch(_)
                        | HostCall::BatchSave { .. }
                        | HostCall::BatchUpdate { .. }
                        | HostCall::BatchDelete { .. }
                ) {
                    return Err(Exception::throw_type(&ctx, "this call has another door"));
                }
                host.send(&ctx, id, BodyMode::Json, call)
            },
        )?,
    )?;
    let host = bridge.clone();
    object.set(
        "callProxy",
        Function::new(
            ctx.clone(),
            move |ctx: Ctx<'js>,
                  id: f64,
                  fields: Value<'js>,
                  mode: String,
                  kind: String,
                  body: Value<'js>| {
                let mut call = fields_of::<ProxyCall>(&ctx, &fields)?;
                call.body = proxy_body(&ctx, &kind, &body)?;
                host.send(&ctx, id, body_mode(&mode), HostCall::Proxy(Box::new(call)))
            },
        )?,
    )?;
    let host = bridge.clone();
    object.set(
        "callFetch",
        Function::new(
            ctx.clone(),
            move |ctx: Ctx<'js>, id: f64, fields: Value<'js>, body: Value<'js>| {
                let mut call = fields_of::<FetchCall>(&ctx, &fields)?;
                call.body = match () {
                    () if body.is_undefined() => None,
                    () if body.is_string() => Some(Bytes::from(text::utf8(&ctx, &body)?)),
                    () => Some(Bytes::from(text::from_js(&ctx, &body)?)),
                };
                host.send(&ctx, id, BodyMode::Bytes, HostCall::UncontrolledFetch(call))
            },
        )?,
    )?;
    let host = bridge.clone();
    object.set(
        "callRecords",
        Function::new(
            ctx.clone(),
            move |ctx: Ctx<'js>,
                  id: f64,
                  operation: String,
                  model: Value<'js>,
                  batch: Array<'js>,
                  whole: bool| {
                let model = text::text(&ctx, &model)?;
                let aside = operation == "save" && host.keeps_misfits.get();
                let mut rejected = Vec::new();
                let way = match whole {
                    true => records::Way::Whole,
                    false if aside => records::Way::Aside(&host.heap, &mut rejected),
                    false => records::Way::Checked,
                };
                let records = records::inputs(&ctx, &batch, way)?;
                let call = records::call(&operation, model.clone(), records);
                let sent = host.send(&ctx, id, BodyMode::Json, call)?;
                if sent && !rejected.is_empty() {
                    host.rejected.borrow_mut().push((model, rejected));
                }
                Ok::<_, rquickjs::Error>(sent)
            },
        )?,
    )?;
    let host = bridge.clone();
    object.set(
        "callReject",
        Function::new(ctx.clone(), move |ctx: Ctx<'js>, id: f64| {
            let Some((model, records)) = host.rejected.borrow().last().cloned() else {
                return Err(Exception::throw_message(&ctx, "nothing was put aside"));
            };
            let call = HostCall::RejectRecords { model, records };
            let sent = host.send(&ctx, id, BodyMode::Json, call)?;
            if sent {
                host.rejected.borrow_mut().pop();
            }
            Ok(sent)
        })?,
    )?;
    let host = bridge.clone();
    object.set(
        "hasRejected",
        Function::new(ctx.clone(), move || !host.rejected.borrow().is_empty())?,
    )
}

/// Timers, modules, the end, and whether the run was cancelled.
fn life<'js>(ctx: &Ctx<'js>, object: &Object<'js>, bridge: &Rc<Bridge>) -> rquickjs::Result<()> {
    let state = bridge.clone();
    object.set(
        "cancelled",
        Function::new(ctx.clone(), move || state.meter.is_cancelled())?,
    )?;
    let state = bridge.clone();
    object.set(
        "setTimer",
        Function::new(ctx.clone(), move |ctx: Ctx<'js>, id: f64, wait_ms: f64| {
            let timers = state.timers.get();
            if timers >= TIMERS {
                return Err(Exception::throw_range(&ctx, "too many timers at a time"));
            }
            if let Some(port) = state.port.borrow().as_ref() {
                state.timers.set(timers + 1);
                port.set_timer(id as u64, Duration::from_millis(wait_ms as u64));
            }
            Ok(())
        })?,
    )?;
    let state = bridge.clone();
    object.set(
        "loadModule",
        Function::new(ctx.clone(), move |ctx: Ctx<'js>, name: String| {
            if name == code::ZOD_ENTRY {
                state.uses_zod.set(true);
            }
            state
                .code
                .module(&name)
                .map(|bytecode| code::load(&ctx, &bytecode))
                .transpose()
        })?,
    )?;
    let state = bridge.clone();
    object.set(
        "relax",
        Function::new(ctx.clone(), move || state.heap.relax_once(LAST_WORDS_BYTES))?,
    )?;
    let state = bridge.clone();
    object.set(
        "refusal",
        Function::new(ctx.clone(), move || {
            state.heap.refusal().map(Refusal::message)
        })?,
    )?;
    let state = bridge.clone();
    object.set(
        "finish",
        Function::new(
            ctx.clone(),
            move |ctx: Ctx<'js>, well: bool, text: Value<'js>| {
                let text = text::text(&ctx, &text)?;
                *state.ending.borrow_mut() = Some(if well {
                    succeeded(text)
                } else {
                    failure(&text)
                });
                Ok::<_, rquickjs::Error>(())
            },
        )?,
    )
}

fn failure(text: &str) -> Ending {
    match lenient::<RunFailure>(text) {
        Some(failure) => Ending::Failed(Box::new(failure)),
        None => failed(
            "script_internal_error",
            "the function threw something that cannot be read",
        ),
    }
}

fn measure<'js>(ctx: &Ctx<'js>, object: &Object<'js>) -> rquickjs::Result<()> {
    object.set(
        "utf8Length",
        Function::new(ctx.clone(), |ctx: Ctx<'js>, text: Value<'js>| {
            text::utf8_length(&ctx, &text).map(|length| length as f64)
        })?,
    )
}

/// Text, bytes and URLs.
fn texts<'js>(ctx: &Ctx<'js>, object: &Object<'js>) -> rquickjs::Result<()> {
    object.set(
        "isUtf8",
        Function::new(ctx.clone(), |ctx: Ctx<'js>, data: Value<'js>| {
            Ok::<_, rquickjs::Error>(std::str::from_utf8(&text::from_js(&ctx, &data)?).is_ok())
        })?,
    )?;
    object.set(
        "encode",
        Function::new(
            ctx.clone(),
            |ctx: Ctx<'js>, data: Value<'js>, encoding: String| {
                text::text_to_js(&ctx, &text::encode(&text::from_js(&ctx, &data)?, &encoding))
            },
        )?,
    )?;
    object.set(
        "decode",
        Function::new(
            ctx.clone(),
            |ctx: Ctx<'js>, text: Value<'js>, encoding: String| {
                text::to_js(&ctx, &text::decode(text::utf8(&ctx, &text)?, &encoding))
            },
        )?,
    )?;
    object.set(
        "formDecode",
        Function::new(ctx.clone(), |ctx: Ctx<'js>, text: Value<'js>| {
            text::text_to_js(&ctx, &text::form_decode(&text::utf8(&ctx, &text)?))
        })?,
    )?;
    object.set(
        "parseUrl",
        Function::new(
            ctx.clone(),
            |ctx: Ctx<'js>, input: Value<'js>, base: Opt<Value<'js>>| {
                let input = text::text(&ctx, &input)?;
                let base = match base.0.filter(|base| !base.is_undefined()) {
                    Some(base) => Some(text::text(&ctx, &base)?),
                    None => None,
                };
                Ok::<_, rquickjs::Error>(
                    url::parse(&input, base.as_deref()).map(|url| url::parts(&url).to_vec()),
                )
            },
        )?,
    )?;
    object.set(
        "setUrl",
        Function::new(
            ctx.clone(),
            |ctx: Ctx<'js>, href: String, part: String, value: Value<'js>| {
                let value = text::text(&ctx, &value)?;
                Ok::<_, rquickjs::Error>(
                    url::assign(&href, &part, &value).map(|url| url::parts(&url).to_vec()),
                )
            },
        )?,
    )?;
    object.set(
        "inflate",
        Function::new(
            ctx.clone(),
            |ctx: Ctx<'js>, packed: Value<'js>, most: f64| {
                let packed = text::from_js(&ctx, &packed)?;
                match inflate(&packed, most as usize) {
                    Ok(plain) => text::to_js(&ctx, &plain),
                    Err(message) => Err(Exception::throw_message(&ctx, &message)),
                }
            },
        )?,
    )
}

fn inflate(packed: &[u8], most: usize) -> Result<Vec<u8>, String> {
    use std::io::Read;
    let mut plain = Vec::new();
    let limit = most as u64 + 1;
    flate2::read::DeflateDecoder::new(packed)
        .take(limit)
        .read_to_end(&mut plain)
        .map_err(|error| format!("the compressed data is broken: {error}"))?;
    if plain.len() > most {
        return Err(format!("the entry is larger than {most} bytes"));
    }
    Ok(plain)
}

fn body_mode(name: &str) -> BodyMode {
    match name {
        "bytes" => BodyMode::Bytes,
        "text" => BodyMode::Text,
        _ => BodyMode::Json,
    }
}

fn proxy_body(ctx: &Ctx<'_>, kind: &str, body: &Value<'_>) -> rquickjs::Result<ProxyBody> {
    Ok(match kind {
        "json" => ProxyBody::Json(Bytes::from(text::utf8(ctx, body)?)),
        "text" => ProxyBody::Text(text::text(ctx, body)?),
        "bytes" => ProxyBody::Bytes(Bytes::from(text::from_js(ctx, body)?)),
        "form" => {
            let mut pairs = Vec::new();
            for pair in body.as_array().into_iter().flat_map(Array::iter::<Array>) {
                let pair = pair?;
                pairs.push((
                    text::text(ctx, &pair.get(0)?)?,
                    text::text(ctx, &pair.get(1)?)?,
                ));
            }
            ProxyBody::Form(pairs)
        }
        _ => ProxyBody::Empty,
    })
}

/// Reads the fields of a call out of JSON text that our own JavaScript wrote.
fn fields_of<T: DeserializeOwned>(ctx: &Ctx<'_>, text: &Value<'_>) -> rquickjs::Result<T> {
    let text = text::text(ctx, text)?;
    if text.len() > FIELDS_BYTES {
        let message = format!("what is passed to the call is larger than {FIELDS_BYTES} bytes");
        return Err(Exception::throw_range(ctx, &message));
    }
    lenient(&text).ok_or_else(|| {
        Exception::throw_type(
            ctx,
            "what is passed to the call is of the wrong type or nested too deeply",
        )
    })
}

/// JSON text as a value; an escaped lone surrogate, which JavaScript may write, becomes U+FFFD.
fn lenient<T: DeserializeOwned>(text: &str) -> Option<T> {
    serde_json::from_str(text)
        .or_else(|_| serde_json::from_str(&without_lone_surrogates(text)))
        .ok()
}

fn without_lone_surrogates(text: &str) -> String {
    let mut result = String::with_capacity(text.len());
    let mut rest = text;
    while let Some(at) = rest.find('\\') {
        let (before, after) = rest.split_at(at);
        result.push_str(before);
        let unit = |escape: &str| {
            let digits = escape.strip_prefix("\\u")?.get(..4)?;
            u16::from_str_radix(digits, 16).ok()
        };
        let length = match unit(after) {
            Some(0xd800..=0xdbff) => match unit(&after[6..]) {
                Some(0xdc00..=0xdfff) => 12,
                _ => 0,
            },
            Some(0xdc00..=0xdfff) => 0,
            Some(_) => 6,
            None => after.chars().take(2).map(char::len_utf8).sum(),
        };
        if length == 0 {
            result.push('\u{fffd}');
            rest = &after[6..];
        } else {
            result.push_str(&after[..length]);
            rest = &after[length..];
        }
    }
    result.push_str(rest);
    result
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn lone_surrogates_are_replaced_and_pairs_kept() {
        assert_eq!(
            without_lone_surrogates(r#""\ud83d\ude00""#),
            r#""\ud83d\ude00""#
        );
        assert_eq!(without_lone_surrogates(r#""a\ud83d""#), "\"a\u{fffd}\"");
        assert_eq!(
            without_lone_surrogates(r#""\ude00\\ud800\n""#),
            "\"\u{fffd}\\\\ud800\\n\""
        );
    }

    #[test]
    fn an_archive_that_explodes_is_refused() {
        use std::io::Write;
        let mut writer =
            flate2::write::DeflateEncoder::new(Vec::new(), flate2::Compression::best());
        writer.write_all(&vec![0; 1_000_000]).unwrap();
        let packed = writer.finish().unwrap();
        assert!(packed.len() < 2_000);
        assert_eq!(inflate(&packed, 1_000_000).unwrap().len(), 1_000_000);
        assert!(inflate(&packed, 999_999).is_err());
    }
}
