/**
 * gRPC messages as annotated bytes, a field on each line:
 *
 *   00 00 00 00 07                  message of 7 bytes
 *   0a 05 61 2e 74 78 74              file_name: "a.txt"
 */
import { packageDefinition } from '../../src/wire/service.ts';

interface Field {
  readonly name: string;
  readonly number: number;
  readonly type: string;
  readonly typeName: string;
}

interface EnumValue {
  readonly name: string;
  readonly number: number;
}

const BYTES_IN_LINE = 16;
const FRAME_BYTES = 5;

/** The lines of one framed message of the type `name`. */
export function framedText(frame: Buffer, name: string): string {
  const lines = [line(frame.subarray(0, FRAME_BYTES), `message of ${frame.length - FRAME_BYTES} bytes`)];
  addFields(lines, frame.subarray(FRAME_BYTES), name, 1);
  return lines.flat().join('\n');
}

type Lines = string[];

function line(bytes: Buffer, note: string, depth = 0): string {
  const parts: string[] = [];
  for (let at = 0; at < bytes.length; at += BYTES_IN_LINE) {
    parts.push(
      bytes
        .subarray(at, at + BYTES_IN_LINE)
        .toString('hex')
        .replace(/..(?=.)/g, '$& '),
    );
  }
  const [first = '', ...others] = parts;
  return [`${first.padEnd(BYTES_IN_LINE * 3)} ${'  '.repeat(depth)}${note}`, ...others].join('\n');
}

function addFields(lines: Lines, bytes: Buffer, message: string, depth: number): void {
  for (let at = 0; at < bytes.length; ) {
    const tag = varintAt(bytes, at);
    const field = fieldOf(message, Number(tag.value) >> 3);
    const value = valueAt(bytes, tag.end, Number(tag.value) & 7);
    const label = field.name.replace(/[A-Z]/g, (letter) => `_${letter.toLowerCase()}`);
    const isMessage = field.type === 'TYPE_MESSAGE';
    const text = typeof value.is === 'string' ? value.is : valueText(field, value.is);
    lines.push(line(bytes.subarray(at, isMessage ? value.start : value.end), `${label}: ${text}`, depth));
    if (isMessage) addFields(lines, value.is as Buffer, field.typeName.replace(/^\./, ''), depth + 1);
    at = value.end;
  }
}

interface Value {
  readonly is: bigint | Buffer | string;
  /** Behind its length. */
  readonly start: number;
  readonly end: number;
}

function valueAt(bytes: Buffer, start: number, wireType: number): Value {
  if (wireType === 5) {
    const hex = bytes.readUInt32LE(start).toString(16).padStart(8, '0');
    return { is: `0x${hex}`, start, end: start + 4 };
  }
  const { value, end } = varintAt(bytes, start);
  if (wireType === 0) return { is: value, start, end };
  if (wireType !== 2) throw new Error(`the wire type ${wireType} is not in the contract`);
  const behind = end + Number(value);
  return { is: bytes.subarray(end, behind), start: end, end: behind };
}

function valueText(field: Field, value: bigint | Buffer): string {
  if (typeof value === 'bigint') return scalarText(field, value);
  if (field.type === 'TYPE_MESSAGE') return value.length === 1 ? '1 byte' : `${value.length} bytes`;
  if (field.type === 'TYPE_ENUM')
    return Array.from(value, (each) => scalarText(field, BigInt(each))).join(', ');
  return JSON.stringify(value.toString('latin1')).replace(/\\u00/g, '\\x');
}

function fieldOf(message: string, number: number): Field {
  const { field: fields } = definition(message) as { field: Field[] };
  const field = fields.find((each) => each.number === number);
  if (field === undefined) throw new Error(`${message} has no field ${number}`);
  return field;
}

function definition(name: string): unknown {
  const full = name.startsWith('sluice.v1.') ? name : `sluice.v1.${name}`;
  return (packageDefinition[full] as unknown as { type: unknown }).type;
}

function scalarText(field: Field, value: bigint): string {
  if (field.type === 'TYPE_BOOL') return String(value === 1n);
  if (field.type !== 'TYPE_ENUM') return String(value);
  const { value: values } = definition(field.typeName.replace(/^\./, '')) as { value: EnumValue[] };
  return values.find(({ number }) => BigInt(number) === value)?.name ?? String(value);
}

function varintAt(bytes: Buffer, start: number): { value: bigint; end: number } {
  let value = 0n;
  for (let at = start; ; at++) {
    const byte = bytes.readUInt8(at);
    value |= BigInt(byte & 0x7f) << BigInt(7 * (at - start));
    if (byte < 0x80) return { value, end: at + 1 };
  }
}
