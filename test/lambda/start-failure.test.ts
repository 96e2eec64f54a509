import { decideStartFailure, StartFailure } from '../../lambda/orchestrator/start-failure';

const decide = (change: Partial<StartFailure>, random = 1) => decideStartFailure({
  errorName: 'InternalFailure', receiveCount: 1, maxReceiveCount: 3, requeues: 0, waitedSeconds: 0, retentionSeconds: 1_209_600, ...change,
}, () => random);

describe.each(['AccountLimitExceededException', 'ThrottlingException', 'TooManyRequestsException'])('%s is a want of capacity', (errorName) => {
  test('the request is put back with growing delays, never longer than SQS can delay it', () => {
    expect(decide({ errorName })).toEqual({ action: 'requeue', delaySeconds: 30 });
    expect(decide({ errorName, requeues: 1 })).toEqual({ action: 'requeue', delaySeconds: 60 });
    expect(decide({ errorName, requeues: 1000 })).toEqual({ action: 'requeue', delaySeconds: 900 });
  });

  test('no receive counts', () => {
    expect(decide({ errorName, receiveCount: 3 }).action).toBe('requeue');
  });

  test('it waits no longer than SQS would have kept its message', () => {
    expect(decide({ errorName, waitedSeconds: 1_209_599 }).action).toBe('requeue');
    expect(decide({ errorName, waitedSeconds: 1_209_600 })).toEqual({ action: 'fail', visibilitySeconds: 1 });
  });
});

test.each(['TimeoutError', 'InternalFailure', 'AccessDeniedException'])(
  '%s may pass: the next try waits a minute, then longer, never past the idempotency token', (errorName) => {
    expect(decide({ errorName })).toEqual({ action: 'retry', visibilitySeconds: 60 });
    expect(decide({ errorName, receiveCount: 2 })).toEqual({ action: 'retry', visibilitySeconds: 120 });
    expect(decide({ errorName, receiveCount: 9, maxReceiveCount: 10 })).toEqual({ action: 'retry', visibilitySeconds: 240 });
  });

test('tries are spread out', () => {
  expect(decide({}, 0)).toEqual({ action: 'retry', visibilitySeconds: 30 });
  expect(decide({}, 0.5)).toEqual({ action: 'retry', visibilitySeconds: 45 });
  expect(decide({ errorName: 'ThrottlingException' }, 0)).toEqual({ action: 'requeue', delaySeconds: 15 });
});

test.each(['InvalidInputException', 'ResourceNotFoundException', 'AccountSuspendedException'])('%s will not pass: no waiting', (errorName) => {
  expect(decide({ errorName })).toEqual({ action: 'retry', visibilitySeconds: 1 });
});

test('after the last receive the deployment has failed, and the message goes to the dead-letter queue at once', () => {
  expect(decide({ receiveCount: 3 })).toEqual({ action: 'fail', visibilitySeconds: 1 });
  expect(decide({ errorName: 'InvalidInputException', receiveCount: 4 })).toEqual({ action: 'fail', visibilitySeconds: 1 });
});
