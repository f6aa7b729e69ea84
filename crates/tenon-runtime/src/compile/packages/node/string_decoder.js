// `string_decoder` for packages: text out of pieces that may end inside a character.
"use strict";

/** How many bytes of an encoding belong together. */
const GROUPS = { utf16le: 2, "utf-16le": 2, ucs2: 2, "ucs-2": 2, base64: 3, base64url: 3 };

function StringDecoder(encoding) {
  this.encoding = String(encoding ?? "utf8").toLowerCase();
  if (this.encoding === "utf-8") this.encoding = "utf8";
  this.decoder = this.encoding === "utf8" ? new TextDecoder("utf-8", { ignoreBOM: true }) : undefined;
  this.rest = Buffer.alloc(0);
}

StringDecoder.prototype.write = function (piece) {
  if (typeof piece === "string") return piece;
  if (this.decoder) return this.decoder.decode(piece, { stream: true });
  const all = this.rest.length > 0 ? Buffer.concat([this.rest, piece]) : Buffer.from(piece);
  const whole = all.length - (all.length % (GROUPS[this.encoding] ?? 1));
  this.rest = all.subarray(whole);
  return all.subarray(0, whole).toString(this.encoding);
};

StringDecoder.prototype.end = function (piece) {
  const text = piece === undefined ? "" : this.write(piece);
  if (this.decoder) return text + this.decoder.decode();
  const rest = this.rest.toString(this.encoding);
  this.rest = Buffer.alloc(0);
  return text + rest;
};

exports.StringDecoder = StringDecoder;
