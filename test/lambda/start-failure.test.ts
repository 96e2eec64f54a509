import { decideRetry } from '../../lambda/orchestrator/start-failure';

const decide = (errorName: string, receiveCount: number, random = 1) => decideRetry({ errorName, receiveCount, maxReceiveCount: 3 }, () => random);

test.each(['ThrottlingException', 'AccountLimitExceededException', 'TimeoutError', 'InternalFailure', 'AccessDeniedException'])(
  '%s may pass: the next try waits a minute, then longer, never past the idempotency token', (errorName) => {
    expect(decide(errorName, 1)).toEqual({ visibilitySeconds: 60, lastDelivery: false });
    expect(decide(errorName, 2)).toEqual({ visibilitySeconds: 120, lastDelivery: false });
    expect(decideRetry({ errorName, receiveCount: 9, maxReceiveCount: 10 }, () => 1).visibilitySeconds).toBeLessThan(300);
  });

test('tries are spread out', () => {
  expect(decide('ThrottlingException', 1, 0).visibilitySeconds).toBe(30);
  expect(decide('ThrottlingException', 1, 0.5).visibilitySeconds).toBe(45);
});

test.each(['InvalidInputException', 'ResourceNotFoundException', 'AccountSuspendedException'])('%s will not pass: no waiting', (errorName) => {
  expect(decide(errorName, 1)).toEqual({ visibilitySeconds: 1, lastDelivery: false });
});

test('after the last delivery the message goes to the dead-letter queue at once', () => {
  expect(decide('ThrottlingException', 3)).toEqual({ visibilitySeconds: 1, lastDelivery: true });
  expect(decide('InvalidInputException', 4)).toEqual({ visibilitySeconds: 1, lastDelivery: true });
});
