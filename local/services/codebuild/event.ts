/** The EventBridge event "CodeBuild Build State Change", as CodeBuild sends it for each status of a build. */
import { randomUUID } from 'node:crypto';
import { durationInSeconds, type Build } from './build';
import type { Phase, PhaseContext } from './phases';

export interface BuildStateChangeEvent {
  readonly 'version': '0';
  readonly 'id': string;
  readonly 'detail-type': 'CodeBuild Build State Change';
  readonly 'source': 'aws.codebuild';
  readonly 'account': string;
  readonly 'time': string;
  readonly 'region': string;
  readonly 'resources': readonly string[];
  readonly 'detail': Readonly<Record<string, unknown>>;
}

export function buildStateChange(build: Build, account: string, region: string): BuildStateChangeEvent {
  const { project, phases } = build;
  const { image, computeType, type, privilegedMode } = project.environment;
  const contexts = phases.all.at(-1)?.contexts ?? [];
  return {
    'version': '0',
    'id': randomUUID(),
    'detail-type': 'CodeBuild Build State Change',
    'source': 'aws.codebuild',
    'account': account,
    'time': new Date().toISOString().replace(/\.\d+Z$/, 'Z'),
    'region': region,
    'resources': [build.arn],
    'detail': {
      'build-status': build.status,
      'project-name': project.name,
      // Unlike in the API, where the id is `<project>:<uuid>`.
      'build-id': build.arn,
      'additional-information': {
        'artifact': { location: '' },
        'cache': { type: 'NO_CACHE' },
        'build-number': build.number,
        'timeout-in-minutes': project.timeoutInMinutes,
        'queued-timeout-in-minutes': build.queuedTimeoutInMinutes,
        'build-complete': build.status !== 'IN_PROGRESS',
        'initiator': build.initiator,
        'build-start-time': eventDate(build.startTime),
        'source': { type: 'NO_SOURCE' },
        ...(build.sourceVersion === undefined ? {} : { 'source-version': build.sourceVersion }),
        'environment': {
          'image': image,
          'privileged-mode': privilegedMode,
          'compute-type': computeType,
          'type': type,
          'environment-variables': build.environmentVariables,
        },
        'logs': { 'group-name': build.logGroupName, 'stream-name': build.uuid, 'deep-link': build.logUrl },
        'phases': phases.all.map(phaseToEvent),
      },
      'current-phase': phases.current,
      'current-phase-context': `[${contexts.map(contextToEvent).join(', ')}]`,
      'version': '1',
    },
  };
}

function phaseToEvent(phase: Phase): Record<string, unknown> {
  return {
    'phase-type': phase.phaseType,
    'phase-context': phase.contexts?.map(contextToEvent) ?? [],
    'start-time': eventDate(phase.startTime),
    ...(phase.endTime && {
      'phase-status': phase.phaseStatus,
      'end-time': eventDate(phase.endTime),
      'duration-in-seconds': durationInSeconds(phase),
    }),
  };
}

function contextToEvent({ statusCode, message }: PhaseContext): string {
  return `${statusCode}: ${message}`;
}

const MONTHS = ['Jan', 'Feb', 'Mar', 'Apr', 'May', 'Jun', 'Jul', 'Aug', 'Sep', 'Oct', 'Nov', 'Dec'];

/** `Nov 22, 2026 4:12:29 PM`: UTC, without saying so. By hand, because Intl's spaces differ between versions of Node.js. */
export function eventDate(date: Date): string {
  const hours = date.getUTCHours();
  const clock = [hours % 12 || 12, date.getUTCMinutes(), date.getUTCSeconds()].map((part, index) => index === 0 ? part : String(part).padStart(2, '0'));
  return `${MONTHS[date.getUTCMonth()]} ${date.getUTCDate()}, ${date.getUTCFullYear()} ${clock.join(':')} ${hours < 12 ? 'AM' : 'PM'}`;
}
