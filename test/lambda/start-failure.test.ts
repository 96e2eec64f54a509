import { decideStartFailure, decideWait, retrySeconds, StartFailure } from '../../lambda/orchestrator/start-failure';

const RETENTION_SECONDS = 1_209_600;

const decide = (change: Partial<StartFailure>, random = 1) => decideStartFailure({
  errorName: 'AccessDeniedException', errorMessage: '', httpStatus: 400, receiveCount: 1, maxReceiveCount: 3, ...change,
}, () => random);
const decideToWait = (change: Partial<Parameters<typeof decideWait>[0]>, random = 1) => decideWait({
  requeues: 0, waitedSeconds: 0, retentionSeconds: RETENTION_SECONDS, ...change,
}, () => random);

describe.each([
  ['AccountLimitExceededException', 60],
  ['ThrottlingException', 10],
  ['Throttling', 10],
  ['TooManyRequestsException', 10],
  ['RequestLimitExceeded', 10],
])('%s is a want of capacity', (errorName, askAgainSeconds) => {
  test(`CodeBuild is asked again in ${askAgainSeconds} seconds at the latest`, () => {
    expect(decide({ errorName })).toEqual({ action: 'wait', askAgainSeconds });
    expect(decide({ errorName }, 0)).toEqual({ action: 'wait', askAgainSeconds: askAgainSeconds / 2 });
  });

  test('no receive counts', () => {
    expect(decide({ errorName, receiveCount: 3 })).toEqual({ action: 'wait', askAgainSeconds });
  });
});

describe('a request that waits', () => {
  test('is put back with growing delays, never longer than SQS can delay it', () => {
    expect(decideToWait({})).toEqual({ action: 'put-back', delaySeconds: 30 });
    expect(decideToWait({ requeues: 1 })).toEqual({ action: 'put-back', delaySeconds: 60 });
    expect(decideToWait({ requeues: 4 })).toEqual({ action: 'put-back', delaySeconds: 480 });
    expect(decideToWait({ requeues: 5 })).toEqual({ action: 'put-back', delaySeconds: 900 });
    expect(decideToWait({ requeues: 100_000 })).toEqual({ action: 'put-back', delaySeconds: 900 });
  });

  test('delays are spread out', () => {
    expect(decideToWait({}, 0)).toEqual({ action: 'put-back', delaySeconds: 15 });
    expect(decideToWait({ requeues: 100 }, 0.5)).toEqual({ action: 'put-back', delaySeconds: 675 });
  });

  test('waits no longer than SQS would have kept its message', () => {
    expect(decideToWait({ waitedSeconds: RETENTION_SECONDS - 1 }).action).toBe('put-back');
    expect(decideToWait({ waitedSeconds: RETENTION_SECONDS })).toEqual({ action: 'fail', failureCode: 'NO_CAPACITY' });
  });
});

test.each(['AccessDeniedException', 'OAuthProviderException'])(
  'a refusal (%s) may pass: the next try waits a minute, then longer, never past the idempotency token', (errorName) => {
    expect(decide({ errorName })).toEqual({ action: 'retry', visibilitySeconds: 60 });
    expect(decide({ errorName, receiveCount: 2 })).toEqual({ action: 'retry', visibilitySeconds: 120 });
    expect(decide({ errorName, receiveCount: 9, maxReceiveCount: 10 })).toEqual({ action: 'retry', visibilitySeconds: 240 });
  });

test.each<[string, number | undefined]>([['TimeoutError', undefined], ['ECONNRESET', undefined], ['InternalFailure', 500], ['ServiceUnavailable', 503], ['SyntaxError', 200]])(
  'after %s (status %s) there may be a build: it is to be found out, on the last receive too, and is never a failure to start', (errorName, httpStatus) => {
    expect(decide({ errorName, httpStatus })).toEqual({ action: 'find-out', visibilitySeconds: 60 });
    expect(decide({ errorName, httpStatus, receiveCount: 3 })).toEqual({ action: 'find-out', visibilitySeconds: 240 });
    expect(decide({ errorName, httpStatus, receiveCount: 30 })).toEqual({ action: 'find-out', visibilitySeconds: 240 });
  });

test('tries are spread out', () => {
  expect(decide({}, 0)).toEqual({ action: 'retry', visibilitySeconds: 30 });
  expect(decide({}, 0.5)).toEqual({ action: 'retry', visibilitySeconds: 45 });
  expect([retrySeconds(1, () => 0), retrySeconds(1, () => 1)]).toEqual([30, 60]);
});

test.each(['InvalidInputException', 'ResourceNotFoundException', 'AccountSuspendedException'])('%s will not pass: no waiting', (errorName) => {
  expect(decide({ errorName })).toEqual({ action: 'retry', visibilitySeconds: 1 });
});

test.each(['AccessDeniedException', 'InvalidInputException'])('%s on the last receive: the deployment has failed', (errorName) => {
  expect(decide({ errorName, receiveCount: 3 })).toEqual({ action: 'fail' });
  expect(decide({ errorName, receiveCount: 4 })).toEqual({ action: 'fail' });
});
