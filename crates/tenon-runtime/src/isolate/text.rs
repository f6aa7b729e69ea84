//! Texts and bytes across the border.

use base64::{
    Engine, alphabet,
    engine::{DecodePaddingMode, GeneralPurpose, GeneralPurposeConfig},
};
use rquickjs::{Ctx, Value, qjs};

/// Base64 the way Node writes it.
const BASE64: GeneralPurpose = GeneralPurpose::new(&alphabet::STANDARD, LENIENT);
const BASE64_URL: GeneralPurpose =
    GeneralPurpose::new(&alphabet::URL_SAFE, LENIENT.with_encode_padding(false));
const LENIENT: GeneralPurposeConfig = GeneralPurposeConfig::new()
    .with_decode_padding_mode(DecodePaddingMode::Indifferent)
    .with_decode_allow_trailing_bits(true);

/// UTF-8 of a JavaScript string; a lone surrogate becomes U+FFFD.
pub(super) fn utf8(ctx: &Ctx<'_>, text: &Value<'_>) -> rquickjs::Result<Vec<u8>> {
    let mut bytes = wtf8(ctx, text)?;
    let mut at = 0;
    while let Some(found) = bytes[at..].iter().position(|byte| *byte == 0xed) {
        at += found;
        if bytes.get(at + 1).is_some_and(|next| *next >= 0xa0) && at + 2 < bytes.len() {
            bytes[at..at + 3].copy_from_slice("\u{fffd}".as_bytes());
        }
        at += 1;
    }
    Ok(bytes)
}

/// The same as a `String`.
pub(super) fn text(ctx: &Ctx<'_>, text: &Value<'_>) -> rquickjs::Result<String> {
    let bytes = utf8(ctx, text)?;
    Ok(String::from_utf8(bytes)
        .unwrap_or_else(|error| String::from_utf8_lossy(error.as_bytes()).into_owned()))
}

fn wtf8(ctx: &Ctx<'_>, text: &Value<'_>) -> rquickjs::Result<Vec<u8>> {
    with_wtf8(ctx, text, <[u8]>::to_vec)
}

/// Length in UTF-8.
pub(super) fn utf8_length(ctx: &Ctx<'_>, text: &Value<'_>) -> rquickjs::Result<usize> {
    with_wtf8(ctx, text, <[u8]>::len)
}

fn with_wtf8<T>(
    ctx: &Ctx<'_>,
    text: &Value<'_>,
    read: impl FnOnce(&[u8]) -> T,
) -> rquickjs::Result<T> {
    let raw = ctx.as_raw().as_ptr();
    let mut length = 0;
    // SAFETY: the characters are read before they are freed.
    unsafe {
        let characters = qjs::JS_ToCStringLen(raw, &raw mut length, text.as_raw());
        if characters.is_null() {
            return Err(rquickjs::Error::Exception);
        }
        let result = read(std::slice::from_raw_parts(characters.cast::<u8>(), length));
        qjs::JS_FreeCString(raw, characters);
        Ok(result)
    }
}

/// A JavaScript string.
pub(super) fn text_to_js<'js>(ctx: &Ctx<'js>, text: &str) -> rquickjs::Result<Value<'js>> {
    // SAFETY: the text outlives the call; the result is owned.
    let value = unsafe {
        let raw =
            qjs::JS_NewStringLen(ctx.as_raw().as_ptr(), text.as_ptr().cast(), text.len() as _);
        Value::from_raw(ctx.clone(), raw)
    };
    if value.is_exception() {
        Err(rquickjs::Error::Exception)
    } else {
        Ok(value)
    }
}

/// A copy of the bytes of a `Uint8Array`.
pub(super) fn from_js(ctx: &Ctx<'_>, value: &Value<'_>) -> rquickjs::Result<Vec<u8>> {
    let mut length = 0;
    // SAFETY: the pointer is used before JavaScript runs again.
    unsafe {
        let bytes = qjs::JS_GetUint8Array(ctx.as_raw().as_ptr(), &raw mut length, value.as_raw());
        if bytes.is_null() {
            if ctx.has_exception() {
                return Err(rquickjs::Error::Exception);
            }
            return Ok(Vec::new());
        }
        Ok(std::slice::from_raw_parts(bytes, length as usize).to_vec())
    }
}

/// A new `Uint8Array`.
pub(super) fn to_js<'js>(ctx: &Ctx<'js>, bytes: &[u8]) -> rquickjs::Result<Value<'js>> {
    // SAFETY: the bytes are copied by the call; the result is owned.
    let value = unsafe {
        let raw =
            qjs::JS_NewUint8ArrayCopy(ctx.as_raw().as_ptr(), bytes.as_ptr(), bytes.len() as _);
        Value::from_raw(ctx.clone(), raw)
    };
    if value.is_exception() {
        Err(rquickjs::Error::Exception)
    } else {
        Ok(value)
    }
}

/// Bytes as text in a Node encoding.
pub(super) fn encode(bytes: &[u8], encoding: &str) -> String {
    match encoding {
        "hex" => hex::encode(bytes),
        "base64" => BASE64.encode(bytes),
        "base64url" => BASE64_URL.encode(bytes),
        "latin1" | "ascii" => bytes.iter().map(|byte| char::from(*byte)).collect(),
        "utf16le" => {
            let units: Vec<u16> = bytes
                .chunks_exact(2)
                .map(|pair| u16::from_le_bytes([pair[0], pair[1]]))
                .collect();
            String::from_utf16_lossy(&units)
        }
        _ => String::from_utf8_lossy(bytes).into_owned(),
    }
}

/// Text in a Node encoding as bytes.
pub(super) fn decode(text: Vec<u8>, encoding: &str) -> Vec<u8> {
    match encoding {
        "hex" => {
            let pairs = text.chunks_exact(2).map_while(|pair| {
                let [high, low] = [pair[0], pair[1]].map(|digit| char::from(digit).to_digit(16));
                Some((high? * 16 + low?) as u8)
            });
            pairs.collect()
        }
        "base64" | "base64url" => {
            let digits: Vec<u8> = text
                .into_iter()
                .take_while(|byte| *byte != b'=')
                .filter_map(|byte| match byte {
                    b'-' => Some(b'+'),
                    b'_' => Some(b'/'),
                    b'+' | b'/' => Some(byte),
                    _ => byte.is_ascii_alphanumeric().then_some(byte),
                })
                .collect();
            // One digit left over says nothing.
            let whole = if digits.len() % 4 == 1 {
                digits.len() - 1
            } else {
                digits.len()
            };
            BASE64.decode(&digits[..whole]).unwrap_or_default()
        }
        "latin1" | "ascii" => String::from_utf8_lossy(&text)
            .encode_utf16()
            .map(|unit| unit as u8)
            .collect(),
        "utf16le" => String::from_utf8_lossy(&text)
            .encode_utf16()
            .flat_map(u16::to_le_bytes)
            .collect(),
        _ => text,
    }
}

/// A name or value of a form: `+` is a space, `%xx` a byte.
pub(super) fn form_decode(text: &[u8]) -> String {
    let mut bytes = Vec::with_capacity(text.len());
    let mut rest = text;
    while let Some((first, after)) = rest.split_first() {
        let escaped = (*first == b'%')
            .then(|| after.first_chunk::<2>())
            .flatten()
            .and_then(|pair| {
                let [high, low] = pair.map(|digit| char::from(digit).to_digit(16));
                Some((high? * 16 + low?) as u8)
            });
        match escaped {
            Some(byte) => {
                bytes.push(byte);
                rest = &after[2..];
            }
            None => {
                bytes.push(if *first == b'+' { b' ' } else { *first });
                rest = after;
            }
        }
    }
    String::from_utf8_lossy(&bytes).into_owned()
}
