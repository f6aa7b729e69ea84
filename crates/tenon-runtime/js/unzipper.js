// Module `unzipper`: archives that are already in memory.
"use strict";

const { native } = shared;
const { Buffer, bytesOf } = require("buffer");

const END = 0x06054b50;
const ENTRY = 0x02014b50;
const MOST_BYTES = 64 * 1024 * 1024;

function endOfDirectory(archive) {
  for (let at = archive.length - 22; at >= Math.max(0, archive.length - 22 - 0xffff); at--) {
    if (archive.readUInt32LE(at) === END) return at;
  }
  throw new Error("FILE_ENDED");
}

function inflate(archive, entry) {
  const start = entry.offset + 30 + archive.readUInt16LE(entry.offset + 26) + archive.readUInt16LE(entry.offset + 28);
  const packed = archive.subarray(start, start + entry.compressedSize);
  if (entry.compressionMethod === 0) return Buffer.from(packed);
  if (entry.compressionMethod !== 8) throw new Error(`Compression method ${entry.compressionMethod} is not supported`);
  const bytes = native.inflate(packed, MOST_BYTES);
  return Buffer.from(bytes.buffer, bytes.byteOffset, bytes.byteLength);
}

function directory(bytes) {
  const archive = Buffer.from(bytes.buffer, bytes.byteOffset, bytes.byteLength);
  const end = endOfDirectory(archive);
  const count = archive.readUInt16LE(end + 10);
  const files = [];
  let at = archive.readUInt32LE(end + 16);
  for (let index = 0; index < count && archive.readUInt32LE(at) === ENTRY; index++) {
    const nameLength = archive.readUInt16LE(at + 28);
    const entry = {
      compressionMethod: archive.readUInt16LE(at + 10),
      crc32: archive.readUInt32LE(at + 16),
      compressedSize: archive.readUInt32LE(at + 20),
      uncompressedSize: archive.readUInt32LE(at + 24),
      offset: archive.readUInt32LE(at + 42),
      path: archive.toString("utf8", at + 46, at + 46 + nameLength),
    };
    entry.type = entry.path.endsWith("/") ? "Directory" : "File";
    entry.pathBuffer = archive.subarray(at + 46, at + 46 + nameLength);
    entry.buffer = async () => inflate(archive, entry);
    entry.stream = () => require("stream").readable(inflate(archive, entry));
    files.push(entry);
    at += 46 + nameLength + archive.readUInt16LE(at + 30) + archive.readUInt16LE(at + 32);
  }
  return { numberOfRecords: count, files };
}

exports.Open = {
  buffer: async (source) => directory(bytesOf(source)),
  file: async () => {
    throw new Error("Functions have no files: open the archive with Open.buffer");
  },
};
exports.default = exports;
