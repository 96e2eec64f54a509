/** The attributes of a queue that a user can set: which exist, what they may be, what they are by default. */
import { invalidParameterValue, plainError, prefixedError } from './errors';

/** As a template or a caller writes them; SQS itself keeps strings. */
export type QueueAttributes = { readonly [name: string]: unknown };

export interface RedrivePolicy {
  readonly deadLetterTargetArn: string;
  readonly maxReceiveCount: number;
}

/** 1 MiB: the largest message SQS accepts, and the largest sum of a batch. */
export const MAX_MESSAGE_BYTES = 1_048_576;

/** 15 minutes. */
export const MAX_DELAY_SECONDS = 900;

/** 12 hours. */
export const MAX_VISIBILITY_SECONDS = 43_200;

/** Longest long poll. */
export const MAX_WAIT_SECONDS = 20;

const RANGES: Readonly<Record<string, { min: number; max: number; default: number }>> = {
  DelaySeconds: { min: 0, max: MAX_DELAY_SECONDS, default: 0 },
  MaximumMessageSize: { min: 1024, max: MAX_MESSAGE_BYTES, default: MAX_MESSAGE_BYTES },
  // One minute to 14 days, by default 4 days.
  MessageRetentionPeriod: { min: 60, max: 1_209_600, default: 345_600 },
  ReceiveMessageWaitTimeSeconds: { min: 0, max: MAX_WAIT_SECONDS, default: 0 },
  VisibilityTimeout: { min: 0, max: MAX_VISIBILITY_SECONDS, default: 30 },
};

const DOCUMENTS = ['RedrivePolicy', 'RedriveAllowPolicy', 'Policy'];

/** Stored and given back, without an effect on a local run. */
const WITHOUT_EFFECT = ['KmsMasterKeyId', 'KmsDataKeyReusePeriodSeconds', 'SqsManagedSseEnabled'];

const FIFO_ONLY = ['ContentBasedDeduplication', 'DeduplicationScope', 'FifoThroughputLimit'];

export const DEFAULT_ATTRIBUTES: Readonly<Record<string, string>> = {
  ...Object.fromEntries(Object.entries(RANGES).map(([name, range]) => [name, String(range.default)])),
  SqsManagedSseEnabled: 'true',
};

/** The attributes as SQS keeps them. An empty string removes a document (a policy). */
export function parseAttributes(attributes: QueueAttributes): Record<string, string> {
  const parsed: Record<string, string> = {};
  for (const [name, value] of Object.entries(attributes)) {
    const text = typeof value === 'object' && value !== null ? JSON.stringify(value) : String(value);
    if ((name === 'FifoQueue' && text !== 'false') || FIFO_ONLY.includes(name)) {
      throw fifoUnsupported(name);
    }
    if (name in RANGES) {
      checkRange(name, text);
    } else if (DOCUMENTS.includes(name)) {
      checkDocument(name, text);
    } else if (name !== 'FifoQueue' && !WITHOUT_EFFECT.includes(name)) {
      throw plainError('InvalidAttributeName', `Unknown Attribute ${name}.`);
    }
    if (name !== 'FifoQueue') {
      parsed[name] = text;
    }
  }
  return parsed;
}

export function fifoUnsupported(what: string): Error {
  return prefixedError('UnsupportedOperation', `FIFO queues are not supported by the local SQS (${what}). Use a standard queue.`);
}

export function isSettable(name: string): boolean {
  return name in RANGES || DOCUMENTS.includes(name) || WITHOUT_EFFECT.includes(name);
}

export function redrivePolicyOf(attributes: Readonly<Record<string, string>>): RedrivePolicy | undefined {
  return attributes.RedrivePolicy ? parseRedrivePolicy(attributes.RedrivePolicy) : undefined;
}

/** A number given per request, e.g. DelaySeconds of one message. */
export function checkedSeconds(name: string, value: unknown, max: number): number | undefined {
  if (value === undefined || value === null) {
    return undefined;
  }
  if (!Number.isInteger(value) || (value as number) < 0 || (value as number) > max) {
    throw invalidParameterValue(`Value ${JSON.stringify(value)} for parameter ${name} is invalid. Reason: Must be between 0 and ${max}, if provided.`);
  }
  return value as number;
}

function checkRange(name: string, text: string): void {
  const { min, max } = RANGES[name];
  const value = Number(text);
  if (!/^\d+$/.test(text) || value < min || value > max) {
    throw plainError('InvalidAttributeValue', `Invalid value for the parameter ${name}: got ${text}, expected a whole number from ${min} to ${max}.`);
  }
}

function checkDocument(name: string, text: string): void {
  if (text === '') {
    return;
  }
  if (name === 'RedrivePolicy') {
    parseRedrivePolicy(text);
    return;
  }
  parseObject(name, text);
}

function parseRedrivePolicy(text: string): RedrivePolicy {
  const { deadLetterTargetArn, maxReceiveCount } = parseObject('RedrivePolicy', text);
  const count = Number(maxReceiveCount);
  if (typeof deadLetterTargetArn !== 'string' || !Number.isInteger(count) || count < 1 || count > 1000) {
    throw invalidRedrivePolicy(text, 'expected deadLetterTargetArn and a maxReceiveCount from 1 to 1000.');
  }
  return { deadLetterTargetArn, maxReceiveCount: count };
}

export function invalidRedrivePolicy(text: string, reason: string): Error {
  return invalidParameterValue(`Value ${text} for parameter RedrivePolicy is invalid. Reason: ${reason}`);
}

function parseObject(name: string, text: string): Record<string, unknown> {
  try {
    const value: unknown = JSON.parse(text);
    if (typeof value === 'object' && value !== null && !Array.isArray(value)) {
      return value as Record<string, unknown>;
    }
  } catch {
    // Answered like JSON of another type.
  }
  throw plainError('InvalidAttributeValue', `Invalid value for the parameter ${name}: expected a JSON object, got ${text}`);
}
