import { crc32 } from 'node:zlib';

/** What a chunk of LZMA2 holds at most when it is not compressed. */
const CHUNK = 0x1_0000;
/** Which check a stream has: a CRC32 of its content. */
const FLAGS = Buffer.from([0, 1]);

/**
 * An .xz file that holds `text` as it is, uncompressed: Node has no LZMA, and what is read here is small.
 * https://tukaani.org/xz/xz-file-format.txt
 */
export function xz(text: string): Buffer {
  const content = Buffer.from(text);
  // One filter, LZMA2, with a dictionary of 64 KiB.
  const header = withCrc(Buffer.from([2, 0, 0x21, 1, 8, 0, 0, 0]));
  const data = chunks(content);
  const block = [header, data, padding(data.length), checksum(content)];
  const index = Buffer.concat([
    Buffer.from([0, 1]),
    varint(header.length + data.length + 4),
    varint(content.length),
  ]);
  const paddedIndex = withCrc(Buffer.concat([index, padding(index.length)]));
  const footer = Buffer.concat([uint32(paddedIndex.length / 4 - 1), FLAGS]);
  return Buffer.concat([
    Buffer.from([0xfd]),
    Buffer.from('7zXZ\0'),
    withCrc(FLAGS),
    ...block,
    paddedIndex,
    checksum(footer),
    footer,
    Buffer.from('YZ'),
  ]);
}

/** LZMA2: each chunk says how long it is, and the first resets the dictionary. */
function chunks(content: Buffer): Buffer {
  const parts: Buffer[] = [];
  for (let start = 0; start < content.length; start += CHUNK) {
    const part = content.subarray(start, start + CHUNK);
    const head = Buffer.from([start === 0 ? 1 : 2, 0, 0]);
    head.writeUInt16BE(part.length - 1, 1);
    parts.push(head, part);
  }
  return Buffer.concat([...parts, Buffer.from([0])]);
}

function withCrc(bytes: Buffer): Buffer {
  return Buffer.concat([bytes, checksum(bytes)]);
}

function checksum(bytes: Buffer): Buffer {
  return uint32(crc32(bytes));
}

function uint32(value: number): Buffer {
  const bytes = Buffer.alloc(4);
  bytes.writeUInt32LE(value);
  return bytes;
}

/** Seven bits a byte, the lowest first; the highest bit says that more follow. */
function varint(value: number): Buffer {
  const bytes: number[] = [];
  let rest = value;
  for (; rest >= 0x80; rest = Math.floor(rest / 0x80)) bytes.push((rest % 0x80) + 0x80);
  return Buffer.from([...bytes, rest]);
}

/** Zeros up to a multiple of four. */
function padding(length: number): Buffer {
  return Buffer.alloc((4 - (length % 4)) % 4);
}
