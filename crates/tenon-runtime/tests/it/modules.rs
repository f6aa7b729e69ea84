//! What a function may require and which globals it finds (functions.md, 4.2).

use serde_json::{Value, json};

use crate::common::value;

/// Each expression and what it is.
async fn are(prelude: &str, cases: &[(&str, Value)]) {
    let list: Vec<String> = cases
        .iter()
        .map(|(expression, _)| format!("async () => ({expression})"))
        .collect();
    let body = format!(
        "{prelude}; const seen = []; for (const one of [{}]) {{ try {{ seen.push((await one()) ?? null) }} catch (e) {{ seen.push(`${{e.name}}: ${{e.message}}`) }} }} return seen",
        list.join(", ")
    );
    let seen = value(&body).await;
    for ((expression, expected), seen) in cases.iter().zip(seen.as_array().unwrap()) {
        assert_eq!(seen, expected, "{expression}");
    }
}

#[tokio::test]
async fn only_known_modules_can_be_required() {
    let allowed = [
        "zod",
        "url",
        "node:url",
        "crypto",
        "node:crypto",
        "buffer",
        "node:buffer",
        "unzipper",
        "soap",
        "nango",
    ];
    for name in allowed {
        assert_eq!(
            value(&format!("return typeof require('{name}')")).await,
            json!("object"),
            "{name}"
        );
    }
    for name in [
        "fs",
        "node:fs",
        "http",
        "child_process",
        "process",
        "node:zod",
        "./x",
        "start",
        "nango/test",
        "__proto__",
        "constructor",
        "zod/index.cjs",
    ] {
        let seen = value(&format!(
            "try {{ require('{name}') }} catch (error) {{ return error.message }}"
        ))
        .await;
        assert_eq!(seen, json!(format!("Module '{name}' is not allowed")));
    }
}

#[tokio::test]
async fn zod_works_as_published() {
    are(
        "const { z } = require('zod')",
        &[
            ("z.object({ id: z.string(), n: z.number().optional() }).parse({ id: 'a', extra: 1 })", json!({"id": "a"})),
            ("z.string().email().safeParse('x').error.issues[0].code", json!("invalid_format")),
            ("z.string().safeParse(1).error.issues[0].message", json!("Invalid input: expected string, received number")),
            ("z.discriminatedUnion('t', [z.object({ t: z.literal('a') }), z.object({ t: z.literal('b'), n: z.coerce.number() })]).parse({ t: 'b', n: '3' })", json!({"t": "b", "n": 3})),
            ("z.toJSONSchema(z.object({ a: z.string() }), { target: 'draft-7' }).properties", json!({"a": {"type": "string"}})),
            ("z.iso.datetime().parse('2020-01-01T00:00:00Z')", json!("2020-01-01T00:00:00Z")),
            ("z.url().safeParse('https://a.example/x').success", json!(true)),
            ("z.record(z.string(), z.unknown()).parse({ a: [1] })", json!({"a": [1]})),
            ("(z.config(z.locales.de()), z.string().safeParse(1).error.issues[0].message.startsWith('Ung'))", json!(true)),
            ("require('zod').default.string().parse('x')", json!("x")),
        ],
    )
    .await;
}

#[tokio::test]
async fn digests_and_signatures() {
    are(
        "const crypto = require('crypto')",
        &[
            ("crypto.createHash('sha256').update('a').update(Buffer.from('bc')).digest('hex')", json!("ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad")),
            ("crypto.createHash('md5').update('abc').digest('base64')", json!("kAFQmDzST7DWlj99KOF/cg==")),
            ("crypto.createHmac('sha1', 'Jefe').update('what do ya want for nothing?').digest('hex')", json!("effcdf6ae5eb2fa2d27416d5f184df9c259a7c79")),
            ("crypto.createHash('nope')", json!("Error: Digest method not supported")),
            ("/^[0-9a-f]{8}-[0-9a-f]{4}-4[0-9a-f]{3}-[89ab][0-9a-f]{3}-[0-9a-f]{12}$/.test(crypto.randomUUID())", json!(true)),
            ("[crypto.randomBytes(16).length, crypto.randomBytes(8).equals(crypto.randomBytes(8))]", json!([16, false])),
            ("crypto.timingSafeEqual(Buffer.from('a'), Buffer.from('a'))", json!(true)),
            // RFC 6070, case 2.
            ("crypto.pbkdf2Sync('password', 'salt', 2, 20, 'sha1').toString('hex')", json!("ea6c014dc72d6f8ccd1ed92ace1d41f0d8de8957")),
            ("[0, 1, 2, 3, 4].every(() => { const n = crypto.randomInt(3, 5); return n === 3 || n === 4 })", json!(true)),
        ],
    )
    .await;
}

const KEYS: &str = include_str!("keys.js");

#[tokio::test]
async fn what_is_signed_can_be_verified() {
    are(
        &format!("const crypto = require('crypto'); {KEYS}"),
        &[
            ("(() => { const s = crypto.createSign('RSA-SHA256').update('data').sign(rsaPrivate, 'base64'); return [s === rsaSignature, crypto.createVerify('RSA-SHA256').update('data').verify(rsaPublic, s, 'base64'), crypto.createVerify('RSA-SHA256').update('other').verify(rsaPublic, s, 'base64')] })()", json!([true, true, false])),
            ("(() => { const s = crypto.createSign('SHA256').update('data').sign({ key: ecPrivate, dsaEncoding: 'ieee-p1363' }); return [s.length, crypto.createVerify('SHA256').update('data').verify({ key: ecPublic, dsaEncoding: 'ieee-p1363' }, s)] })()", json!([64, true])),
            ("crypto.createVerify('SHA256').update('data').verify(ecPublic, ecSignature, 'base64')", json!(true)),
            ("crypto.createSign('SHA256').update('x').sign('no key')", json!("Error: the private key is not in PEM form")),
        ],
    )
    .await;
}

#[tokio::test]
async fn urls_follow_the_standard() {
    are(
        "const u = new URL('../b?x=1#h', 'https://user:pa%20ss@example.com:8443/a/c')",
        &[
            ("[u.href, u.origin, u.host, u.port, u.pathname, u.search, u.hash, u.username]", json!(["https://user:pa%20ss@example.com:8443/b?x=1#h", "https://example.com:8443", "example.com:8443", "8443", "/b", "?x=1", "#h", "user"])),
            ("(() => { const v = new URL(u); v.searchParams.append('y', 'ä b'); v.searchParams.set('x', '2'); v.pathname = '/ü'; return String(v.href).split('@')[1] })()", json!("example.com:8443/%C3%BC?x=2&y=%C3%A4+b#h")),
            ("(() => { const v = new URL('https://a.example/'); v.search = 'q=1'; v.port = '444'; v.hostname = 'b.example'; return [v.href, v.searchParams.get('q')] })()", json!(["https://b.example:444/?q=1", "1"])),
            ("new URL('nope')", json!("TypeError: Invalid URL")),
            ("[URL.canParse('x:'), JSON.stringify({ u: new URL('http://a') })]", json!([true, "{\"u\":\"http://a/\"}"])),
            ("[...new URLSearchParams('?a=1&b=%20+&a=%zz&c')]", json!([["a", "1"], ["b", "  "], ["a", "%zz"], ["c", ""]])),
            ("new URLSearchParams({ a: \"!'()*~\", b: 'x&=y' }).toString()", json!("a=%21%27%28%29*%7E&b=x%26%3Dy")),
            ("(() => { const p = new URLSearchParams([['b', 1], ['a', 2], ['b', 3]]); p.sort(); p.delete('b', '3'); return [p.toString(), p.getAll('b'), p.has('a', '2'), p.size] })()", json!(["a=2&b=1", ["1"], true, 2])),
            ("require('url').parse('https://h.example:1/p?q=1#f', true).query.q", json!("1")),
            ("require('node:url').URL === URL", json!(true)),
        ],
    )
    .await;
}

#[tokio::test]
async fn buffers_follow_node() {
    are(
        "",
        &[
            ("Buffer.from('héé').toString('hex')", json!("68c3a9c3a9")),
            ("[Buffer.from('aGk', 'base64').toString(), Buffer.from('aGk=\\n', 'base64').toString(), Buffer.from('-_8', 'base64url').toString('base64')]", json!(["hi", "hi", "+/8="])),
            ("Buffer.from('68zz69', 'hex').toString()", json!("h")),
            ("Buffer.from('\\u00ff', 'latin1').length", json!(1)),
            ("Buffer.from([1, 2, 300]).toJSON()", json!({"type": "Buffer", "data": [1, 2, 44]})),
            ("Buffer.concat([Buffer.from('a'), new Uint8Array([98])]).toString()", json!("ab")),
            ("[Buffer.byteLength('é'), Buffer.isBuffer(Buffer.alloc(1)), Buffer.isBuffer(new Uint8Array(1))]", json!([2, true, false])),
            ("(() => { const b = Buffer.alloc(8); b.writeUInt32BE(0xdeadbeef, 0); b.writeInt16LE(-2, 4); return [b.readUInt32BE(0), b.readInt16LE(4), b.toString('hex')] })()", json!([0xdead_beef_u32, -2, "deadbeeffeff0000"])),
            ("Buffer.from('abcabc').indexOf('ca')", json!(2)),
            ("Buffer.alloc(4, 'ab').toString()", json!("abab")),
            ("Buffer.from('\\ud800').toString('hex')", json!("efbfbd")),
            ("Buffer.from('abc').equals(Buffer.from('abc'))", json!(true)),
            ("Buffer.from(Buffer.from('x').toJSON()).toString()", json!("x")),
            ("Buffer.from(5)", json!("TypeError: The first argument must be of type string or an instance of Buffer, ArrayBuffer, or Array or an Array-like Object.")),
            ("JSON.stringify(Buffer.from('a').subarray(0, 1).toString('utf8', 0, 1))", json!("\"a\"")),
        ],
    )
    .await;
}

#[tokio::test]
async fn web_globals_are_there() {
    are(
        "",
        &[
            ("[...new TextEncoder().encode('é')]", json!([195, 169])),
            ("new TextDecoder().decode(new Uint8Array([0xef, 0xbb, 0xbf, 0x61]))", json!("a")),
            ("(() => { const d = new TextDecoder(); return d.decode(new Uint8Array([0xc3]), { stream: true }) + d.decode(new Uint8Array([0xa9])) })()", json!("é")),
            ("new TextDecoder('utf-8', { fatal: true }).decode(new Uint8Array([0xff]))", json!("TypeError: The encoded data was not valid for encoding utf-8")),
            ("[btoa('\\u00ff'), atob('/w==').charCodeAt(0), atob(' YQ ')]", json!(["/w==", 255, "a"])),
            ("btoa('€')", json!("InvalidCharacterError: The string contains an invalid character")),
            ("[new Headers({ 'X-A': ' 1 ' }).get('x-a'), [...new Headers([['b', '2'], ['a', '1'], ['a', '3']])]]", json!(["1", [["a", "1, 3"], ["b", "2"]]])),
            ("(() => { const f = new FormData(); f.append('a', 1); f.append('a', 'b'); f.set('c', 2); return [f.getAll('a'), f.get('c'), [...f.keys()]] })()", json!([["1", "b"], "2", ["a", "a", "c"]])),
            ("structuredClone({ d: new Date(0), m: new Map([[1, { a: 1 }]]), s: new Set([1]) }).m.get(1)", json!({"a": 1})),
            ("structuredClone(() => 1)", json!("DataCloneError: function could not be cloned.")),
            ("(() => { const c = new AbortController(); let heard = 0; c.signal.addEventListener('abort', () => heard++); c.abort(); c.abort(); return [c.signal.aborted, heard, c.signal.reason.name] })()", json!([true, 1, "AbortError"])),
            ("new Promise((done) => { const order = []; setTimeout(() => { order.push('late'); done(order) }, 20); const t = setInterval(() => { order.push('tick'); clearInterval(t) }, 1); setTimeout((x) => order.push(x), 5, 'mid'); clearTimeout(setTimeout(() => order.push('never'), 1)); queueMicrotask(() => order.push('micro')) })", json!(["micro", "tick", "mid", "late"])),
            ("new Response('{\"a\":1}').json()", json!({"a": 1})),
            ("[typeof performance.now(), performance.timeOrigin > 0]", json!(["number", true])),
        ],
    )
    .await;
}

/// Each expectation is what Node 20 answers.
#[tokio::test]
async fn a_response_can_be_read_once_in_every_way() {
    are(
        "const made = () => new Response('héllo', { status: 201, headers: { 'content-type': 'text/plain' } })",
        &[
            ("(async () => { const r = made(); const c = r.clone(); return [await r.text(), r.bodyUsed, c.bodyUsed, await c.text(), c.status, c.headers.get('content-type')] })()", json!(["héllo", true, false, "héllo", 201, "text/plain"])),
            ("(async () => { const b = await made().blob(); return [b.size, b.type, (await made().arrayBuffer()).byteLength] })()", json!([6, "text/plain", 6])),
            ("(async () => { const reader = made().body.getReader(); const parts = []; for (;;) { const { value, done } = await reader.read(); if (done) break; parts.push(...value) } return new TextDecoder().decode(new Uint8Array(parts)) })()", json!("héllo")),
            ("(async () => { const r = made(); const parts = []; for await (const part of r.body) parts.push(part.length); return [parts, r.bodyUsed] })()", json!([[6], true])),
            ("(async () => { const [a, b] = made().body.tee(); return [await new Response((await a.getReader().read()).value).text(), (await b.getReader().read()).value.length] })()", json!(["héllo", 6])),
            ("(async () => { const r = made(); await r.text(); return r.text() })()", json!("TypeError: Body is unusable: Body has already been read")),
            ("(async () => { const r = made(); r.body.getReader(); r.body.getReader() })()", json!("TypeError: Invalid state: The ReadableStream is locked")),
            ("[new Response(null).body, new Response().body, made().body.locked]", json!([null, null, false])),
            ("(async () => { const r = Response.json({ a: 1 }, { status: 202 }); return [r.status, r.headers.get('content-type'), await r.json()] })()", json!([202, "application/json", {"a": 1}])),
            ("(async () => [...(await new Response(new URLSearchParams('a=1&b=2').toString(), { headers: { 'content-type': 'application/x-www-form-urlencoded' } }).formData()).entries()])()", json!([["a", "1"], ["b", "2"]])),
        ],
    )
    .await;
}

#[tokio::test]
async fn an_archive_in_memory_can_be_opened() {
    // Made with `zip`: one stored and one deflated entry.
    let archive = include_str!("archive.b64").trim().replace('\n', "");
    let seen = value(&format!(
        "const unzipper = require('unzipper'); const d = await unzipper.Open.buffer(Buffer.from('{archive}', 'base64')); \
         return Promise.all(d.files.map(async (f) => [f.path, f.type, (await f.buffer()).toString().slice(0, 12)]))"
    ))
    .await;
    assert_eq!(
        seen,
        json!([
            ["folder/", "Directory", ""],
            ["folder/stored.txt", "File", "as it is"],
            ["deflated.txt", "File", "aaaaaaaaaaaa"]
        ])
    );
}

#[tokio::test]
async fn an_archive_can_be_read_as_a_stream() {
    let archive = include_str!("archive.b64").trim().replace('\n', "");
    let seen = value(&format!(
        "const unzipper = require('unzipper'); const bytes = Buffer.from('{archive}', 'base64'); \
         const each = []; const source = unzipper.Parse({{ forceStream: true }}); source.write(bytes.subarray(0, 100)); source.end(bytes.subarray(100)); \
         for await (const entry of source) {{ if (entry.type === 'File') each.push([entry.path, entry.vars.uncompressedSize, (await entry.buffer()).length]); else entry.autodrain(); }} \
         const heard = []; const events = unzipper.Parse(); events.on('entry', (entry) => heard.push(entry.path)); events.end(bytes); await events.promise(); \
         const one = unzipper.ParseOne('deflated'); one.end(bytes); const text = (await one.buffer()).toString().slice(0, 3); \
         const broken = unzipper.Parse(); broken.end(Buffer.from('nothing')); const error = await broken.promise().catch((e) => e.message); \
         return [each, heard, text, error]"
    ))
    .await;
    assert_eq!(
        seen,
        json!([
            [["folder/stored.txt", 8, 8], ["deflated.txt", 1000, 1000]],
            ["folder/", "folder/stored.txt", "deflated.txt"],
            "aaa",
            "FILE_ENDED"
        ])
    );
}

#[tokio::test]
async fn the_clock_is_utc_and_can_be_stopped() {
    assert_eq!(
        value("return [new Date(0).getTimezoneOffset(), new Date(2020, 0, 1).toISOString()]").await,
        json!([0, "2020-01-01T00:00:00.000Z"])
    );
}

/// Each expectation is what Node 20 answers.
#[tokio::test]
async fn numbers_and_dates_are_written_as_node_writes_them() {
    are(
        "const d = new Date(Date.UTC(2024, 0, 2, 15, 4, 5, 67)); const n = 1234567.891",
        &[
            ("[n.toLocaleString(), n.toLocaleString('en-GB'), n.toLocaleString('de-DE'), n.toLocaleString('fr'), n.toLocaleString('sv-SE')]", json!(["1,234,567.891", "1,234,567.891", "1.234.567,891", "1\u{202f}234\u{202f}567,891", "1\u{a0}234\u{a0}567,891"])),
            ("[(1.005).toLocaleString('en', { maximumFractionDigits: 2 }), (-2.5).toLocaleString('en', { maximumFractionDigits: 0 }), (0.256).toLocaleString('en', { style: 'percent' }), (1234.5678).toLocaleString('en', { maximumSignificantDigits: 3 }), (7).toLocaleString('en', { minimumIntegerDigits: 2 }), (1e-7).toLocaleString(), (1e21).toLocaleString()]", json!(["1.01", "-3", "26%", "1,230", "07", "0", "1,000,000,000,000,000,000,000"])),
            ("[(1234.5).toLocaleString('en-US', { style: 'currency', currency: 'USD' }), (-5).toLocaleString('en-US', { style: 'currency', currency: 'JPY' }), (1).toLocaleString('en-US', { style: 'currency', currency: 'CHF' })]", json!(["$1,234.50", "-¥5", "CHF\u{a0}1.00"])),
            ("[12345678901234567890n.toLocaleString(), NaN.toLocaleString(), (-0).toLocaleString(), [1234.5, new Date(0)].toLocaleString()]", json!(["12,345,678,901,234,567,890", "NaN", "-0", "1,234.5,1/1/1970, 12:00:00 AM"])),
            ("[d.toLocaleString(), d.toLocaleDateString(), d.toLocaleTimeString(), d.toLocaleDateString('en-GB'), d.toLocaleDateString('sv-SE'), d.toLocaleDateString('en-CA'), d.toLocaleString('de-DE')]", json!(["1/2/2024, 3:04:05 PM", "1/2/2024", "3:04:05 PM", "02/01/2024", "2024-01-02", "2024-01-02", "2.1.2024, 15:04:05"])),
            ("[d.toLocaleDateString('en-US', { weekday: 'long', year: 'numeric', month: 'long', day: 'numeric' }), d.toLocaleDateString('en-US', { month: 'short', day: 'numeric' }), d.toLocaleString('en-US', { dateStyle: 'medium', timeStyle: 'short', timeZone: 'UTC' }), new Intl.DateTimeFormat('en-US', { hour: '2-digit', minute: '2-digit', hour12: false }).format(d)]", json!(["Tuesday, January 2, 2024", "Jan 2", "Jan 2, 2024, 3:04 PM", "15:04"])),
            ("new Intl.DateTimeFormat('en-US', { year: 'numeric', month: '2-digit', day: '2-digit' }).formatToParts(d).map((part) => part.type + part.value)", json!(["month01", "literal/", "day02", "literal/", "year2024"])),
            ("[Intl.DateTimeFormat().resolvedOptions().timeZone, Intl.DateTimeFormat().resolvedOptions().locale, new Date(NaN).toLocaleString()]", json!(["UTC", "en-US", "Invalid Date"])),
            ("['b', 'a', 'C', 'A', '_', '1', 'é', 'e', 'f'].sort((x, y) => x.localeCompare(y)).join('')", json!("_1aAbCeéf")),
            ("['a'.localeCompare('B'), 'file10'.localeCompare('file2'), 'file10'.localeCompare('file2', undefined, { numeric: true }), 'a'.localeCompare('A', 'en', { sensitivity: 'base' }), 'ä'.localeCompare('z'), 'x'.localeCompare('x')]", json!([-1, -1, 1, 0, -1, 0])),
            ("[new Intl.PluralRules('en', { type: 'ordinal' }).select(22), new Intl.ListFormat('en').format(['a', 'b', 'c']), new Intl.RelativeTimeFormat('en', { numeric: 'auto' }).format(-1, 'day'), new Intl.RelativeTimeFormat().format(3, 'hours')]", json!(["two", "a, b, and c", "yesterday", "in 3 hours"])),
            ("['I'.toLocaleLowerCase(), 'ß'.toLocaleUpperCase('de-DE')]", json!(["i", "SS"])),
        ],
    )
    .await;
}

#[tokio::test]
async fn what_is_not_known_of_a_place_is_said_instead_of_made_up() {
    are(
        "const d = new Date(0)",
        &[
            ("(1.5).toLocaleString('ja-JP')", json!("RangeError: The locale \"ja-JP\" (there are en-US, en-GB, en-CA, de-DE, fr-FR, sv-SE) is not available in functions")),
            ("d.toLocaleString('en-US', { timeZone: 'America/New_York' })", json!("RangeError: The time zone America/New_York (the clock of functions is UTC) is not available in functions")),
            ("d.toLocaleDateString('de-DE', { month: 'long' })", json!("RangeError: This way of writing dates for de-DE is not available in functions")),
            ("(1).toLocaleString('de-DE', { style: 'currency', currency: 'EUR' })", json!("RangeError: The style currency for de-DE is not available in functions")),
            ("(1e6).toLocaleString('en', { notation: 'compact' })", json!("RangeError: The notation compact of Intl.NumberFormat is not available in functions")),
            ("(1).toLocaleString('bad_tag')", json!("RangeError: Incorrect locale information provided")),
            ("'I'.toLocaleLowerCase('tr')", json!("RangeError: The letter case of \"tr\" is not available in functions")),
            ("[typeof Intl.Segmenter, typeof Intl.DisplayNames, Intl.NumberFormat.supportedLocalesOf(['ja', 'fr', 'en-US'])]", json!(["undefined", "undefined", ["fr", "en-US"]])),
            ("new Intl.Collator('sv').compare('a', 'b')", json!("RangeError: The order of words in sv-SE is not available in functions")),
        ],
    )
    .await;
}

#[tokio::test]
async fn web_crypto_is_there_as_far_as_it_needs_no_keys() {
    are(
        "",
        &[
            ("crypto.randomUUID().length", json!(36)),
            ("crypto.getRandomValues(new Uint8Array(4)).length", json!(4)),
            ("Buffer.from(await crypto.subtle.digest('SHA-256', new TextEncoder().encode('abc'))).toString('hex').slice(0, 8)", json!("ba7816bf")),
        ],
    )
    .await;
}
