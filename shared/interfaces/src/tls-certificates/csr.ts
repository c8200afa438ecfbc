import { createPublicKey, sign } from 'node:crypto';
import { isIP, isIPv4 } from 'node:net';

/**
 * A certificate signing request in PEM: always the same text for the same key and names, because a signature of
 * RSA (PKCS #1 v1.5) has nothing random in it. https://www.rfc-editor.org/rfc/rfc2986
 * @param key an RSA key, PEM
 * @param names DNS names and IP addresses; the first that fits is the common name
 */
export function signingRequest(key: string, names: readonly string[]): string {
  const [commonName] = names.filter((name) => name.length <= MOST_COMMON_NAME);
  const subject =
    commonName === undefined
      ? []
      : [set(sequence(objectId('2.5.4.3'), tagged(0x0c, Buffer.from(commonName))))];
  const alternatives = sequence(...names.map(generalName));
  const extensions = sequence(sequence(objectId('2.5.29.17'), tagged(0x04, alternatives)));
  const info = sequence(
    tagged(0x02, Buffer.of(0)),
    sequence(...subject),
    createPublicKey(key).export({ type: 'spki', format: 'der' }),
    tagged(0xa0, sequence(objectId('1.2.840.113549.1.9.14'), set(extensions))),
  );
  const sha256WithRsa = sequence(objectId('1.2.840.113549.1.1.11'), tagged(0x05, Buffer.alloc(0)));
  const signature = tagged(0x03, Buffer.concat([Buffer.of(0), sign('sha256', info, key)]));
  const base64 = sequence(info, sha256WithRsa, signature).toString('base64');
  return [
    '-----BEGIN CERTIFICATE REQUEST-----',
    ...(base64.match(/.{1,64}/g) ?? []),
    '-----END CERTIFICATE REQUEST-----',
  ].join('\n');
}

/** https://www.rfc-editor.org/rfc/rfc5280#appendix-A.1, ub-common-name */
const MOST_COMMON_NAME = 64;

/** https://www.rfc-editor.org/rfc/rfc5280#section-4.2.1.6 */
function generalName(name: string): Buffer {
  return isIP(name) === 0 ? tagged(0x82, Buffer.from(name)) : tagged(0x87, addressBytes(name));
}

function addressBytes(address: string): Buffer {
  if (isIPv4(address)) return Buffer.from(address.split('.').map(Number));
  const groups = (text: string): readonly string[] =>
    text.split(':').flatMap((group) => {
      if (!isIPv4(group)) return group === '' ? [] : group.padStart(4, '0');
      const hex = addressBytes(group).toString('hex');
      return [hex.slice(0, 4), hex.slice(4)];
    });
  const [front = '', back = ''] = address.split('::');
  const [left, right] = [groups(front), groups(back)];
  const zeros = Array<string>(8 - left.length - right.length).fill('0000');
  return Buffer.from([...left, ...zeros, ...right].join(''), 'hex');
}

/** DER: a tag, the length, the content. */
function tagged(tag: number, content: Buffer): Buffer {
  const { length } = content;
  if (length < 0x80) return Buffer.concat([Buffer.of(tag, length), content]);
  const digits = length.toString(16);
  const bytes = Buffer.from(digits.padStart(digits.length + (digits.length % 2), '0'), 'hex');
  return Buffer.concat([Buffer.of(tag, 0x80 | bytes.length), bytes, content]);
}

function sequence(...parts: readonly Buffer[]): Buffer {
  return tagged(0x30, Buffer.concat(parts));
}

function set(...parts: readonly Buffer[]): Buffer {
  return tagged(0x31, Buffer.concat(parts));
}

function objectId(dotted: string): Buffer {
  const [first = 0, second = 0, ...rest] = dotted.split('.').map(Number);
  const bytes = [40 * first + second, ...rest].flatMap((number) => {
    const digits = [number & 0x7f];
    for (let left = number >> 7; left > 0; left >>= 7) digits.unshift(0x80 | (left & 0x7f));
    return digits;
  });
  return tagged(0x06, Buffer.from(bytes));
}
