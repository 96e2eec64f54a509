import type { Build, BuildPhase } from '@aws-sdk/client-codebuild';
import { outcomeOf } from '../../lambda/shared/build-outcome';
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

test('what fails before the buildspec starts is not the app\'s fault', () => {
  expect(outcomeOf({ buildStatus: 'FAILED', phases: [{ phaseType: 'PROVISIONING', phaseStatus: 'FAILED' }] })).toBe('CODEBUILD_FAULT');
  expect(outcomeOf({ buildStatus: 'FAILED', phases: [{ phaseType: 'QUEUED', phaseStatus: 'CLIENT_ERROR' as never }] })).toBe('CODEBUILD_FAULT');
  expect(outcomeOf({ buildStatus: 'FAILED' })).toBe('CODEBUILD_FAULT');
});

test.each(['FAILED', 'TIMED_OUT'] as const)('a build that waited too long for a machine (%s) is not a slow app', (buildStatus) => {
  expect(outcomeOf({ buildStatus, phases: [{ phaseType: 'SUBMITTED', phaseStatus: 'SUCCEEDED' }, { phaseType: 'QUEUED', phaseStatus: 'TIMED_OUT' }] })).toBe('CODEBUILD_FAULT');
});

test('a container that was killed as a whole ran out of memory', () => {
  expect(outcomeOf({ buildStatus: 'FAILED', phases: [{ phaseType: 'BUILD', phaseStatus: 'FAILED', contexts: [{ statusCode: 'SINGLE_BUILD_CONTAINER_DEAD', message: 'Build container found dead' }] }] }))
    .toBe('OUT_OF_MEMORY');
});
