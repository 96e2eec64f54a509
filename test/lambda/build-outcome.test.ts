import type { Build, BuildPhase } from '@aws-sdk/client-codebuild';
import { isPastDeadline, outcomeOf } from '../../lambda/shared/build-outcome';
import { EXIT_CODES, FailureCode } from '../../src/contract/failure-codes';

const SUCCEEDED_SO_FAR: BuildPhase[] = ['SUBMITTED', 'QUEUED', 'PROVISIONING', 'DOWNLOAD_SOURCE'].map((phaseType) => ({ phaseType, phaseStatus: 'SUCCEEDED' }) as BuildPhase);

function failedIn(phaseType: string, reason: string, phaseStatus = 'FAILED'): Build {
  return {
    buildStatus: 'FAILED',
    phases: [
      ...SUCCEEDED_SO_FAR,
      { phaseType, phaseStatus, contexts: [{ statusCode: 'COMMAND_EXECUTION_ERROR', message: `Error while executing command: bash "$STEPS/step.sh". Reason: ${reason}` }] } as BuildPhase,
      { phaseType: 'POST_BUILD', phaseStatus: 'FAILED', contexts: [{ message: 'Reason: exit status 35' }] },
      { phaseType: 'COMPLETED' },
    ],
  };
}

test.each(Object.entries(EXIT_CODES))('a step that ends with the exit code of %s is reported as such', (code, exitCode) => {
  expect(outcomeOf(failedIn('BUILD', `exit status ${exitCode}`))).toBe(code);
});

test.each([
  ['SUCCEEDED', 'succeeded'], ['TIMED_OUT', 'TIMED_OUT'], ['STOPPED', 'STOPPED'], ['FAULT', 'CODEBUILD_FAULT'], ['IN_PROGRESS', 'running'],
] as const)('a build that is %s: %s', (buildStatus, outcome) => {
  expect(outcomeOf({ buildStatus })).toBe(outcome);
});

test('exit status 137 is the out-of-memory killer', () => {
  expect(outcomeOf(failedIn('BUILD', 'exit status 137'))).toBe('OUT_OF_MEMORY');
});

test.each([['INSTALL', 'CODEBUILD_FAULT'], ['PRE_BUILD', 'INSTALL_FAILED'], ['BUILD', 'BUILD_FAILED'], ['POST_BUILD', 'PACKAGE_FAILED']] as [string, FailureCode][])(
  'an exit status that is not ours in %s still tells what was being done', (phase, code) => {
    expect(outcomeOf(failedIn(phase, 'exit status 1'))).toBe(code);
    expect(outcomeOf(failedIn(phase, 'something else'))).toBe(code);
  });

test('a phase that CodeBuild has not had until now, whatever its name', () => {
  for (const phase of ['BATCH', 'toString', '__proto__']) expect(outcomeOf(failedIn(phase, 'exit status 1'))).toBe('CODEBUILD_FAULT');
});

const phase = (phaseType: string, phaseStatus: string): BuildPhase => ({ phaseType, phaseStatus }) as BuildPhase;

describe('what fails before the buildspec starts is not the app\'s fault', () => {
  test.each<[Build['buildStatus'], string, string, FailureCode]>([
    ['FAILED', 'PROVISIONING', 'FAILED', 'PROVISIONING_FAILED'],
    ['FAILED', 'PROVISIONING', 'CLIENT_ERROR', 'PROVISIONING_FAILED'],
    ['FAILED', 'DOWNLOAD_SOURCE', 'FAILED', 'PROVISIONING_FAILED'],
    ['FAILED', 'SUBMITTED', 'FAULT', 'PROVISIONING_FAILED'],
    ['FAILED', 'QUEUED', 'CLIENT_ERROR', 'PROVISIONING_FAILED'],
    ['FAULT', 'PROVISIONING', 'FAULT', 'PROVISIONING_FAILED'],
    ['TIMED_OUT', 'PROVISIONING', 'TIMED_OUT', 'QUEUE_TIMED_OUT'],
  ])('%s in %s (%s): %4$s', (buildStatus, phaseType, phaseStatus, code) => {
    expect(outcomeOf({ buildStatus, phases: [phase(phaseType, phaseStatus), phase('COMPLETED', 'SUCCEEDED')] })).toBe(code);
  });

  test('a build that says nothing of its phases', () => {
    expect(outcomeOf({ buildStatus: 'FAILED' })).toBe('CODEBUILD_FAULT');
    expect(outcomeOf({ buildStatus: 'FAULT', phases: [phase('BUILD', 'FAULT')] })).toBe('CODEBUILD_FAULT');
  });
});

test.each(['FAILED', 'TIMED_OUT', 'FAULT'] as const)('a build that waited too long for a machine (%s) is not a slow app', (buildStatus) => {
  expect(outcomeOf({ buildStatus, phases: [phase('SUBMITTED', 'SUCCEEDED'), phase('QUEUED', 'TIMED_OUT')] })).toBe('QUEUE_TIMED_OUT');
});

test('a step that ran out of its time', () => {
  expect(outcomeOf({ buildStatus: 'TIMED_OUT', phases: [...SUCCEEDED_SO_FAR, phase('BUILD', 'TIMED_OUT')] })).toBe('TIMED_OUT');
  expect(outcomeOf({ buildStatus: 'FAILED', phases: [...SUCCEEDED_SO_FAR, phase('BUILD', 'TIMED_OUT')] })).toBe('TIMED_OUT');
});

describe('a build is past its deadline', () => {
  const startTime = new Date('2026-11-22T12:00:00.000Z');
  const after = (minutes: number) => new Date(startTime.getTime() + minutes * 60_000 + 1);
  const queuedUntil = (minutes: number): BuildPhase[] => [{ phaseType: 'QUEUED', phaseStatus: 'SUCCEEDED', endTime: after(minutes) }];
  const limits = { timeoutInMinutes: 30, queuedTimeoutInMinutes: 480 };

  test.each<[string, Partial<Build>, number]>([
    ['its time, counted from the end of the queue, and a grace of ten minutes', { ...limits, phases: queuedUntil(5) }, 5 + 30 + 10],
    ['its time in the queue, its own and the grace, while it waits for a machine', { ...limits, phases: [phase('QUEUED', 'IN_PROGRESS')] }, 480 + 30 + 10],
    ['the same, without any word about phases', limits, 480 + 30 + 10],
    ['CodeBuild\'s own defaults, where it does not say', {}, 480 + 60 + 10],
  ])('after %s', (_, build, minutes) => {
    expect(isPastDeadline({ startTime, ...build }, after(minutes - 0.1))).toBe(false);
    expect(isPastDeadline({ startTime, ...build }, after(minutes + 0.1))).toBe(true);
  });

  test('never, if nobody knows when it was started', () => {
    expect(isPastDeadline(limits, after(100_000))).toBe(false);
  });

  test('then a stop is the end that CodeBuild should have made; before, it is a stop', () => {
    const stopped = (minutes: number): Build => ({ ...limits, startTime, buildStatus: 'STOPPED', phases: queuedUntil(5), endTime: after(minutes) });
    expect(outcomeOf(stopped(44))).toBe('STOPPED');
    expect(outcomeOf(stopped(46))).toBe('TIMED_OUT');
  });
});

test('a container that was killed as a whole ran out of memory', () => {
  expect(outcomeOf({ buildStatus: 'FAILED', phases: [{ phaseType: 'BUILD', phaseStatus: 'FAILED', contexts: [{ statusCode: 'SINGLE_BUILD_CONTAINER_DEAD', message: 'Build container found dead' }] }] }))
    .toBe('OUT_OF_MEMORY');
});
