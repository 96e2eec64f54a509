/**
 * Amazon EventBridge on 127.0.0.1: PutEvents over the AWS JSON 1.1 protocol, rules with event patterns or intervals, and their
 * targets. Events of AWS services come in by `putEvent`, in this process.
 */
import { randomUUID } from 'node:crypto';
import { setTimeout as delay } from 'node:timers/promises';
import { AwsJsonError, serveAwsJson, type AwsJsonProtocol, type JsonObject } from '../aws-json';
import { listen, type OnCall } from '../service';
import type { SecretOf } from '../sigv4';
import { deliver, type EventEnvelope, type RuleTarget } from './delivery';
import { compilePattern, type EventPattern } from './event-pattern';

export type { EventEnvelope, RuleTarget } from './delivery';

export interface EventBridgeOptions {
  readonly accountId?: string;
  readonly region?: string;
  readonly onCall?: OnCall;
  readonly secretOf?: SecretOf;
  readonly now?: () => number;
  readonly retryDelaysMs?: readonly number[];
  /** Told of events that got lost; by default standard error. */
  readonly onLog?: (line: string) => void;
}

export interface NewEvent {
  readonly source: string;
  readonly detailType: string;
  readonly detail: unknown;
  readonly resources?: readonly string[];
  readonly time?: Date;
  /** Name or ARN; by default the account's default bus. */
  readonly eventBusName?: string;
}

export interface Rule {
  readonly name: string;
  /** Name or ARN; by default the account's default bus. */
  readonly eventBusName?: string;
  /** Without one, no event reaches the targets but those of the schedule. */
  readonly pattern?: EventPattern;
  /** The rule's schedule: so often the targets get a Scheduled Event, for the first time after one interval. */
  readonly intervalMs?: number;
  readonly targets: ReadonlyArray<RuleTarget & {
    /** Refused: only `input` is supported. */
    readonly inputPath?: unknown;
    /** Refused: only `input` is supported. */
    readonly inputTransformer?: unknown;
  }>;
}

export interface EventBridge {
  readonly endpoint: string;
  /** Puts an event on a bus as AWS services do, which may use sources that begin with `aws.`. Returns its id. */
  putEvent(event: NewEvent): string;
  addRule(rule: Rule): void;
  /** Resolves when every event so far is delivered or given up. */
  settled(): Promise<void>;
  close(): Promise<void>;
}

const PROTOCOL: AwsJsonProtocol = { targetPrefix: 'AWSEvents', version: '1.1', bodyLimit: 4 * 1_048_576 };

const MAX_ENTRIES = 10;

/** PutEvents' limit for all entries of a request together: 1 MB. */
const MAX_REQUEST_BYTES = 1_048_576;

const DEFAULT_RETRY_DELAYS_MS = [200, 1000, 3000];

/** A target that is still busy when the run ends is given this long. */
const CLOSE_GRACE_MS = 2000;

/** A timer of Node.js counts no further (24.8 days); with more it fires at once. */
const MAX_INTERVAL_MS = 2 ** 31 - 1;

export async function startEventBridge(options: EventBridgeOptions = {}): Promise<EventBridge> {
  const { accountId = '000000000000', region = 'us-east-1', now = Date.now, onLog = console.error, secretOf } = options;
  const rules: Array<Rule & { readonly matches: (event: EventEnvelope) => boolean }> = [];
  const timers: NodeJS.Timeout[] = [];
  const deliveries = new Set<Promise<void>>();
  const closing = new AbortController();
  const deliveryOptions = { retryDelaysMs: options.retryDelaysMs ?? DEFAULT_RETRY_DELAYS_MS, signal: closing.signal, onLog };

  const envelope = ({ source, detailType, detail, resources = [], time }: NewEvent): EventEnvelope => ({
    'version': '0',
    'id': randomUUID(),
    'detail-type': detailType,
    source,
    'account': accountId,
    'time': new Date(time ?? now()).toISOString().replace(/\.\d+Z$/, 'Z'),
    region,
    resources,
    // As if it had travelled: no class instances, no undefined.
    'detail': JSON.parse(JSON.stringify(detail)) as unknown,
  });

  const deliverTo = ({ name, targets }: Rule, event: EventEnvelope): void => {
    for (const target of targets) {
      const delivery = deliver(name, target, event, deliveryOptions).finally(() => deliveries.delete(delivery));
      deliveries.add(delivery);
    }
  };

  const putEvent = (newEvent: NewEvent): string => {
    const event = envelope(newEvent);
    rules.filter((rule) => busName(rule.eventBusName) === busName(newEvent.eventBusName) && rule.matches(event)).forEach((rule) => deliverTo(rule, event));
    return event.id;
  };

  const schedule = (rule: Rule, intervalMs: number): void => {
    const resources = [`arn:aws:events:${region}:${accountId}:rule/${rule.name}`];
    const timer = setInterval(
      () => deliverTo(rule, envelope({ source: 'aws.events', detailType: 'Scheduled Event', detail: {}, resources })),
      Math.min(intervalMs, MAX_INTERVAL_MS),
    );
    // What runs until somebody stops it is the listener; a schedule alone keeps no process alive.
    timers.push(timer.unref());
  };

  const putEvents = async (input: JsonObject, accessKeyId?: string): Promise<object> => {
    const entries = checkedEntries(input);
    for (const entry of entries) {
      await options.onCall?.({
        service: 'events',
        action: 'events:PutEvents',
        resource: `arn:aws:events:${region}:${accountId}:event-bus/${busName(entry.EventBusName)}`,
        accessKeyId,
        context: { 'events:source': String(entry.Source ?? ''), 'events:detail-type': String(entry.DetailType ?? '') },
      });
    }
    const results = entries.map((entry) => {
      const parsed = parseEntry(entry);
      return 'ErrorCode' in parsed ? parsed : { EventId: putEvent(parsed) };
    });
    return { FailedEntryCount: results.filter((result) => 'ErrorCode' in result).length, Entries: results };
  };

  const protocol: AwsJsonProtocol = { ...PROTOCOL, authentication: { service: 'events', region, secretOf } };
  const listener = await listen(async (request, response) => serveAwsJson(protocol, request, response, async (operation, input, accessKeyId) => {
    if (operation !== 'PutEvents') {
      throw new AwsJsonError('UnknownOperationException', `The local EventBridge does not support ${operation}, only PutEvents.`);
    }
    return putEvents(input, accessKeyId);
  }));

  const settled = async (): Promise<void> => {
    while (deliveries.size > 0) {
      await Promise.all(deliveries);
    }
  };

  return {
    endpoint: listener.endpoint,
    putEvent,
    addRule: (rule) => {
      for (const target of rule.targets) {
        checkTarget(rule.name, target);
      }
      if (rule.pattern) rules.push({ ...rule, matches: compilePattern(rule.pattern) });
      if (rule.intervalMs) schedule(rule, rule.intervalMs);
    },
    settled,
    close: async () => {
      closing.abort();
      timers.splice(0).forEach((timer) => clearInterval(timer));
      await listener.close();
      await Promise.race([settled(), delay(CLOSE_GRACE_MS, undefined, { ref: false })]);
    },
  };
}

function checkTarget(ruleName: string, target: Rule['targets'][number]): void {
  for (const name of ['inputPath', 'inputTransformer'] as const) {
    if (target[name] !== undefined) {
      throw new Error(`Rule ${ruleName}, target ${target.id}: ${name} is not supported by the local EventBridge, only input. Use the whole event.`);
    }
  }
  if (target.input !== undefined) {
    JSON.parse(target.input);
  }
}

function busName(nameOrArn: unknown): string {
  return String(nameOrArn || 'default').split('/').at(-1)!;
}

function checkedEntries(input: JsonObject): JsonObject[] {
  const entries = Array.isArray(input.Entries) ? input.Entries as JsonObject[] : [];
  if (entries.length < 1 || entries.length > MAX_ENTRIES) {
    throw new AwsJsonError('ValidationException', `1 validation error detected: Value at 'entries' failed to satisfy constraint: Member must have length between 1 and ${MAX_ENTRIES}, got ${entries.length}.`);
  }
  const size = entries.reduce((sum, entry) => sum + entrySize(entry), 0);
  if (size > MAX_REQUEST_BYTES) {
    throw new AwsJsonError('ValidationException', `Total size of the entries in the request is over the limit: ${size} bytes, at most ${MAX_REQUEST_BYTES}.`);
  }
  return entries;
}

/** As the user guide counts: 14 bytes for a time, and the UTF-8 of the rest. */
function entrySize(entry: JsonObject): number {
  const texts = [entry.Source, entry.DetailType, entry.Detail, ...(Array.isArray(entry.Resources) ? entry.Resources : [])];
  return (entry.Time === undefined ? 0 : 14) + texts.reduce<number>((sum, value) => sum + Buffer.byteLength(String(value ?? '')), 0);
}

interface EntryError {
  readonly ErrorCode: string;
  readonly ErrorMessage: string;
}

/** An entry that is wrong fails alone. */
function parseEntry(entry: JsonObject): NewEvent | EntryError {
  for (const name of ['Source', 'DetailType', 'Detail']) {
    if (typeof entry[name] !== 'string' || entry[name] === '') {
      return { ErrorCode: 'InvalidArgument', ErrorMessage: `Parameter ${name} is not valid. Reason: ${name} is a required argument.` };
    }
  }
  const source = entry.Source as string;
  if (source.startsWith('aws.')) {
    return { ErrorCode: 'NotAuthorizedForSourceException', ErrorMessage: 'Not authorized for the source.' };
  }
  const detail = parseDetail(entry.Detail as string);
  if (detail === undefined) {
    return { ErrorCode: 'MalformedDetail', ErrorMessage: 'Detail is malformed.' };
  }
  return {
    source,
    detailType: entry.DetailType as string,
    detail,
    resources: entry.Resources as string[] | undefined,
    time: typeof entry.Time === 'number' ? new Date(1000 * entry.Time) : undefined,
    eventBusName: entry.EventBusName as string | undefined,
  };
}

function parseDetail(text: string): object | undefined {
  try {
    const detail: unknown = JSON.parse(text);
    return typeof detail === 'object' && detail !== null && !Array.isArray(detail) ? detail : undefined;
  } catch {
    return undefined;
  }
}
