/** Message attributes: their checks, their size, which of them a receiver asked for, and their MD5 as clients recompute it. */
import { createHash } from 'node:crypto';
import { invalidParameterValue } from './errors';

export interface MessageAttribute {
  readonly DataType: string;
  readonly StringValue?: string;
  /** base64, as on the wire. */
  readonly BinaryValue?: string;
}

export type MessageAttributes = Readonly<Record<string, MessageAttribute>>;

/** SQS allows ten attributes on a message. */
const MAX_ATTRIBUTES = 10;

const NAME = /^(?!\.)(?!.*\.\.)[A-Za-z0-9_.-]{1,256}(?<!\.)$/;
const DATA_TYPE = /^(String|Number|Binary)(\..{1,249})?$/;

export function parseMessageAttributes(value: unknown): MessageAttributes {
  const attributes = (value ?? {}) as Record<string, Partial<MessageAttribute>>;
  if (Object.keys(attributes).length > MAX_ATTRIBUTES) {
    throw invalidParameterValue(`Number of message attributes [${Object.keys(attributes).length}] exceeds the allowed maximum [${MAX_ATTRIBUTES}].`);
  }
  for (const [name, attribute] of Object.entries(attributes)) {
    if (!NAME.test(name) || /^(aws|amazon)\./i.test(name)) {
      throw invalidParameterValue(`Message (user) attribute name '${name}' is not valid: expected up to 256 of A-Z a-z 0-9 _ - . without a dot at the start or end.`);
    }
    if (typeof attribute.DataType !== 'string' || !DATA_TYPE.test(attribute.DataType)) {
      throw invalidParameterValue(`The message attribute '${name}' has an invalid message attribute type, the set of supported type prefixes is Binary, Number, and String.`);
    }
    const text = attribute.DataType.startsWith('Binary') ? attribute.BinaryValue : attribute.StringValue;
    if (typeof text !== 'string' || text === '') {
      throw invalidParameterValue(`The message attribute '${name}' with type '${attribute.DataType}' must use field '${
        attribute.DataType.startsWith('Binary') ? 'Binary' : 'String'}' and not be empty.`);
    }
    if (attribute.DataType.startsWith('Number') && !Number.isFinite(Number(text))) {
      throw invalidParameterValue(`Can't cast the value of message attribute '${name}' to a number: ${text}.`);
    }
  }
  return attributes as MessageAttributes;
}

export function attributesSize(attributes: MessageAttributes): number {
  return Object.entries(attributes).reduce(
    (sum, [name, attribute]) => sum + Buffer.byteLength(name) + Buffer.byteLength(attribute.DataType) + valueOf(attribute).length,
    0,
  );
}

/** A receiver names attributes exactly, by prefix (`trace.*`), or all of them (`All`, `.*`). */
export function selectAttributes(attributes: MessageAttributes, names: readonly string[]): MessageAttributes {
  return Object.fromEntries(Object.entries(attributes).filter(([name]) => names.some((wanted) => (
    wanted === 'All' || wanted === name || (wanted.endsWith('.*') && name.startsWith(wanted.slice(0, -2)))
  ))));
}

export function md5(text: string): string {
  return createHash('md5').update(text).digest('hex');
}

/** Sorted by name; of each: length and bytes of name, of type, then 1 or 2 for string or binary, length and bytes of the value. */
export function md5OfAttributes(attributes: MessageAttributes): string | undefined {
  const names = Object.keys(attributes).sort();
  if (names.length === 0) {
    return undefined;
  }
  const hash = createHash('md5');
  const update = (bytes: Buffer) => {
    const length = Buffer.alloc(4);
    length.writeUInt32BE(bytes.length);
    hash.update(length).update(bytes);
  };
  for (const name of names) {
    const attribute = attributes[name];
    update(Buffer.from(name));
    update(Buffer.from(attribute.DataType));
    hash.update(Buffer.from([attribute.DataType.startsWith('Binary') ? 2 : 1]));
    update(valueOf(attribute));
  }
  return hash.digest('hex');
}

function valueOf(attribute: MessageAttribute): Buffer {
  return attribute.DataType.startsWith('Binary') ? Buffer.from(attribute.BinaryValue ?? '', 'base64') : Buffer.from(attribute.StringValue ?? '');
}
