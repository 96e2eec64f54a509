import { EventBridgeClient, PutEventsCommand, type PutEventsRequestEntry } from '@aws-sdk/client-eventbridge';
import { startEventBridge, type EventBridge, type EventEnvelope, type Rule, type RuleTarget } from '../../../local/services/events/event-bridge';
import { intervalOf } from '../../../local/services/events/schedule';
import { AccessDeniedError, type ApiCall } from '../../../local/services/service';

let bridge: EventBridge;
let client: EventBridgeClient;
let authorize: (call: ApiCall) => void;
const log: string[] = [];

beforeEach(async () => {
  log.length = 0;
  authorize = () => undefined;
  bridge = await startEventBridge({
    onCall: (call) => authorize(call),
    now: () => Date.UTC(2026, 0, 1, 12, 30, 15, 250),
    retryDelaysMs: [1, 1],
    onLog: (line) => log.push(line),
  });
  client = new EventBridgeClient({
    region: 'us-east-1',
    endpoint: bridge.endpoint,
    credentials: { accessKeyId: 'AKIDTEST', secretAccessKey: 'secret' },
    maxAttempts: 1,
  });
});

afterEach(async () => {
  client.destroy();
  await bridge.close();
});

/** A rule for everything that comes from `app`, and what its target got. */
function collect(rule: Partial<Rule> = {}, target: Partial<RuleTarget> = {}): unknown[] {
  const received: unknown[] = [];
  bridge.addRule({
    name: 'rule',
    pattern: { source: ['app'] },
    targets: [{ id: 'target', deliver: async (event) => void received.push(event), ...target }],
    ...rule,
  });
  return received;
}

async function put(...entries: Array<Partial<PutEventsRequestEntry>>) {
  return client.send(new PutEventsCommand({ Entries: entries.map((entry) => ({ Source: 'app', DetailType: 'Done', Detail: '{}', ...entry })) }));
}

function putOne(detail: unknown = {}): string {
  return bridge.putEvent({ source: 'app', detailType: 'Done', detail });
}

describe('PutEvents', () => {
  it('delivers the envelope that AWS sends', async () => {
    const received = collect();
    const { Entries, FailedEntryCount } = await put({ Detail: '{"status":"success","tags":["a"]}', Resources: ['arn:aws:x:::y'], Time: new Date('2026-01-02T03:04:05.678Z') });
    await bridge.settled();
    expect(FailedEntryCount).toBe(0);
    expect(received).toEqual([{
      'version': '0',
      'id': Entries![0].EventId,
      'detail-type': 'Done',
      'source': 'app',
      'account': '000000000000',
      'time': '2026-01-02T03:04:05Z',
      'region': 'us-east-1',
      'resources': ['arn:aws:x:::y'],
      'detail': { status: 'success', tags: ['a'] },
    }]);
  });

  it('takes its own time and no resources when the entry has none', async () => {
    const received = collect();
    await put({});
    await bridge.settled();
    expect(received).toMatchObject([{ time: '2026-01-01T12:30:15Z', resources: [] }]);
  });

  it('answers for each entry; a wrong one fails alone', async () => {
    const received = collect();
    const { Entries, FailedEntryCount } = await put(
      {}, { Detail: '{' }, { Detail: '"text"' }, { Source: undefined }, { DetailType: undefined }, { Detail: undefined }, { Source: 'aws.codebuild' },
    );
    await bridge.settled();
    expect(FailedEntryCount).toBe(6);
    expect(Entries!.map((entry) => entry.ErrorCode)).toEqual([
      undefined, 'MalformedDetail', 'MalformedDetail', 'InvalidArgument', 'InvalidArgument', 'InvalidArgument', 'NotAuthorizedForSourceException',
    ]);
    expect(Entries![0].EventId).toMatch(/^[0-9a-f-]{36}$/);
    expect(received).toHaveLength(1);
  });

  it('refuses more than ten entries, and more than 1 MB', async () => {
    await expect(put(...Array.from({ length: 11 }, () => ({})))).rejects.toMatchObject({ name: 'ValidationException' });
    await expect(put({ Detail: JSON.stringify({ text: 'a'.repeat(1_048_576) }) })).rejects.toMatchObject({ name: 'ValidationException' });
  });

  it('asks whether the caller may put events with this source on this bus', async () => {
    const calls: ApiCall[] = [];
    authorize = (call) => void calls.push(call);
    await put({}, { EventBusName: 'arn:aws:events:us-east-1:000000000000:event-bus/audit' });
    const common = { service: 'events', action: 'events:PutEvents', accessKeyId: 'AKIDTEST', context: { 'events:source': 'app', 'events:detail-type': 'Done' } };
    expect(calls).toEqual([
      { ...common, resource: 'arn:aws:events:us-east-1:000000000000:event-bus/default' },
      { ...common, resource: 'arn:aws:events:us-east-1:000000000000:event-bus/audit' },
    ]);
  });

  it('answers a refusal as AWS does, and delivers nothing', async () => {
    const received = collect();
    authorize = () => {
      throw new AccessDeniedError('not authorized to perform: events:PutEvents');
    };
    await expect(put({})).rejects.toMatchObject({ name: 'AccessDeniedException', message: 'not authorized to perform: events:PutEvents' });
    await bridge.settled();
    expect(received).toEqual([]);
  });

  it('is the only operation', async () => {
    const response = await fetch(bridge.endpoint, { method: 'POST', headers: { 'x-amz-target': 'AWSEvents.PutRule' }, body: '{}' });
    expect(await response.json()).toMatchObject({ __type: 'UnknownOperationException', message: expect.stringContaining('PutRule') });
  });
});

describe('rules', () => {
  it('get the events that match their pattern, on their bus', async () => {
    const failed = collect({ pattern: { source: ['app'], detail: { status: ['failed'] } } });
    const everything = collect({ pattern: { source: [{ prefix: '' }] } });
    const audit = collect({ eventBusName: 'audit' });
    putOne({ status: 'failed' });
    putOne({ status: 'success' });
    bridge.putEvent({ source: 'aws.codebuild', detailType: 'CodeBuild Build State Change', detail: {} });
    bridge.putEvent({ source: 'app', detailType: 'Done', detail: {}, eventBusName: 'audit' });
    await bridge.settled();
    expect([failed.length, everything.length, audit.length]).toEqual([1, 3, 1]);
  });

  it('with an invalid pattern are refused when they are added', () => {
    expect(() => collect({ pattern: { source: 'app' } })).toThrow('Event pattern is not valid');
  });

  it('give each target its own copy of the event', async () => {
    const second: unknown[] = [];
    bridge.addRule({
      name: 'rule',
      pattern: { source: ['app'] },
      targets: [
        { id: 'first', deliver: async (event) => void ((event as { detail: Record<string, unknown> }).detail.changed = true) },
        { id: 'second', deliver: async (event) => void second.push((event as EventEnvelope).detail) },
      ],
    });
    putOne({ kept: true });
    await bridge.settled();
    expect(second).toEqual([{ kept: true }]);
  });

  it('may give a target a constant instead', async () => {
    const received = collect({}, { input: '{"reason":"schedule"}' });
    putOne();
    await bridge.settled();
    expect(received).toEqual([{ reason: 'schedule' }]);
  });

  it.each(['inputPath', 'inputTransformer'])('with %s are refused', (name) => {
    expect(() => collect({}, { [name]: '$.detail' })).toThrow(`${name} is not supported by the local EventBridge`);
  });
});

describe('a delivery that fails', () => {
  it('is tried again', async () => {
    let attempts = 0;
    collect({}, {
      deliver: async () => {
        attempts += 1;
        if (attempts < 3) {
          throw new Error('busy');
        }
      },
    });
    putOne();
    await bridge.settled();
    expect(attempts).toBe(3);
    expect(log).toEqual([]);
  });

  it.each([[undefined, 3], [1, 2], [0, 1], [185, 3]])('with %s retries allowed ends in the dead letter after %i attempts', async (maximumRetryAttempts, expected) => {
    let attempts = 0;
    const deadLetter = jest.fn();
    collect({}, {
      deliver: async () => {
        attempts += 1;
        throw new Error('down');
      },
      deadLetter,
      maximumRetryAttempts,
    });
    const id = putOne();
    await bridge.settled();
    expect(attempts).toBe(expected);
    expect(deadLetter.mock.calls).toEqual([[expect.objectContaining({ id }), expect.objectContaining({ message: 'down' })]]);
  });

  it('without a dead-letter queue is lost, but not silently, and no other target notices', async () => {
    const other = collect();
    collect({ name: 'broken' }, { deliver: () => Promise.reject(new Error('down')) });
    collect({ name: 'worse' }, { deliver: () => Promise.reject(new Error('down')), deadLetter: () => Promise.reject(new Error('full')) });
    putOne();
    await bridge.settled();
    expect(other).toHaveLength(1);
    expect(log.sort()).toEqual([
      'Rule broken, target target: the event was not delivered and is lost (the target has no dead-letter queue): Error: down',
      'Rule worse, target target: the event was neither delivered (Error: down) nor dead-lettered (Error: full), and is lost.',
    ]);
  });

  it('does not outlive close()', async () => {
    const patient = await startEventBridge({ retryDelaysMs: [60_000] });
    const deadLetter = jest.fn();
    patient.addRule({ name: 'rule', pattern: { source: ['app'] }, targets: [{ id: 'target', deliver: () => Promise.reject(new Error('down')), deadLetter }] });
    patient.putEvent({ source: 'app', detailType: 'Done', detail: {} });
    await patient.close();
    await patient.settled();
    expect(deadLetter).not.toHaveBeenCalled();
  });
});

describe('a rule with a schedule', () => {
  // Only the timer of schedules: the retries of a delivery, and the HTTP server, wait in real time.
  beforeEach(() => jest.useFakeTimers({ now: Date.now(), doNotFake: ['Date', 'hrtime', 'nextTick', 'performance', 'queueMicrotask', 'setImmediate', 'clearImmediate', 'setTimeout', 'clearTimeout'] }));
  afterEach(() => jest.useRealTimers());

  it('tells its targets that the time has come, for the first time after one interval', async () => {
    const received = collect({ name: 'every-five-minutes', pattern: undefined, intervalMs: 300_000 });
    jest.advanceTimersByTime(299_999);
    await bridge.settled();
    expect(received).toEqual([]);
    jest.advanceTimersByTime(1);
    await bridge.settled();
    expect(received).toEqual([{
      'version': '0',
      'id': expect.stringMatching(/^[0-9a-f-]{36}$/),
      'detail-type': 'Scheduled Event',
      'source': 'aws.events',
      'account': '000000000000',
      'time': '2026-01-01T12:30:15Z',
      'region': 'us-east-1',
      'resources': ['arn:aws:events:us-east-1:000000000000:rule/every-five-minutes'],
      'detail': {},
    }]);
    jest.advanceTimersByTime(600_000);
    await bridge.settled();
    expect(received).toHaveLength(3);
  });

  it('gets no other event, and no other rule gets its', async () => {
    const scheduled = collect({ pattern: undefined, intervalMs: 60_000 });
    const others = collect({ pattern: { source: [{ prefix: '' }] } });
    putOne();
    jest.advanceTimersByTime(60_000);
    await bridge.settled();
    expect(scheduled).toMatchObject([{ source: 'aws.events' }]);
    expect(others).toMatchObject([{ source: 'app' }]);
  });

  it('may have a pattern, too, and a constant as input', async () => {
    const received = collect({ intervalMs: 60_000 }, { input: '{"reason":"either"}' });
    putOne();
    jest.advanceTimersByTime(60_000);
    await bridge.settled();
    expect(received).toEqual([{ reason: 'either' }, { reason: 'either' }]);
  });

  it('does not outlive close()', async () => {
    const closing = await startEventBridge();
    const received: unknown[] = [];
    closing.addRule({ name: 'rule', intervalMs: 60_000, targets: [{ id: 'target', deliver: async (event) => void received.push(event) }] });
    const closed = closing.close();
    jest.advanceTimersByTime(600_000);
    await closed;
    expect(received).toEqual([]);
  });
});

describe('intervals that no timer can count', () => {
  it('do not fire at once', async () => {
    const received = collect({ pattern: undefined, intervalMs: intervalOf('rate(30 days)') });
    await new Promise((resolve) => setTimeout(resolve, 30));
    await bridge.settled();
    expect(received).toEqual([]);
  });
});

test.each([
  ['rate(1 minute)', 60_000],
  ['rate(5 minutes)', 300_000],
  ['rate(1 hour)', 3_600_000],
  ['rate(12 hours)', 43_200_000],
  ['rate(1 day)', 86_400_000],
  ['rate(7 days)', 604_800_000],
  ['rate(1 minutes)', undefined],
  ['rate(5 minute)', undefined],
  ['rate(0 minutes)', undefined],
  ['rate(5 seconds)', undefined],
  ['cron(0/5 * * * ? *)', undefined],
  ['', undefined],
])('%s is an interval of %s ms', (expression, expected) => {
  expect(intervalOf(expression)).toBe(expected);
});
