/**
 * Reads a buildspec (version 0.2) into what the runner executes, and tells two kinds of trouble apart: what CodeBuild itself
 * rejects (the build fails with YAML_FILE_ERROR), and what CodeBuild does but this machine cannot.
 */
import { parse } from 'yaml';

export type BuildspecPhaseName = 'install' | 'pre_build' | 'build' | 'post_build';

/** In the order CodeBuild runs them, whatever their order in the file. */
export const BUILDSPEC_PHASES: readonly BuildspecPhaseName[] = ['install', 'pre_build', 'build', 'post_build'];

export interface BuildspecPhase {
  readonly commands: readonly string[];
  readonly finally: readonly string[];
  /** Left out: CodeBuild's default transitions, where only a failed build phase is followed by another one, post_build. */
  readonly onFailure?: 'ABORT' | 'CONTINUE';
}

export interface Buildspec {
  readonly shell: 'bash' | '/bin/sh';
  readonly variables: Readonly<Record<string, string>>;
  /** As written, e.g. `{ nodejs: '$NODE_VERSION' }`: a reference is resolved when the build's environment is known. */
  readonly runtimeVersions: Readonly<Record<string, string>>;
  readonly phases: Readonly<Partial<Record<BuildspecPhaseName, BuildspecPhase>>>;
}

/** CodeBuild refuses this buildspec too. */
export class InvalidBuildspecError extends Error {
  readonly name = 'InvalidBuildspecError';
}

/** CodeBuild accepts this buildspec, the local one does not implement what it asks for. */
export class UnsupportedBuildspecError extends Error {
  readonly name = 'UnsupportedBuildspecError';
}

const TOP_LEVEL_KEYS = ['version', 'env', 'phases', 'run-as', 'proxy', 'batch', 'reports', 'artifacts', 'cache'];
const TOP_LEVEL_UNSUPPORTED = ['run-as', 'proxy', 'batch', 'reports', 'artifacts', 'cache'];
const ENV_KEYS = ['shell', 'variables', 'parameter-store', 'secrets-manager', 'exported-variables', 'git-credential-helper'];
const ENV_UNSUPPORTED = ['parameter-store', 'secrets-manager', 'exported-variables', 'git-credential-helper'];
const PHASE_KEYS = ['run-as', 'on-failure', 'runtime-versions', 'commands', 'finally', 'steps'];

export function parseBuildspec(text: string): Buildspec {
  const root = mapping(parseYaml(text), 'the buildspec');
  const version = root.version;
  if (version !== 0.2 && version !== '0.2') {
    if (version === 0.1 || version === '0.1') {
      throw new UnsupportedBuildspecError('The local CodeBuild runs buildspec version 0.2; this one says 0.1. Set "version: 0.2".');
    }
    throw new InvalidBuildspecError(`Expected "version: 0.2", found ${JSON.stringify(version ?? null)}.`);
  }
  refuseUnknown(root, TOP_LEVEL_KEYS, 'the buildspec');
  refuseUnsupported(root, TOP_LEVEL_UNSUPPORTED, '');

  const env = mapping(root.env, 'env');
  refuseUnknown(env, ENV_KEYS, 'env');
  refuseUnsupported(env, ENV_UNSUPPORTED, 'env.');

  const phases = mapping(root.phases, 'phases');
  refuseUnknown(phases, BUILDSPEC_PHASES, 'phases');
  if (Object.keys(phases).length === 0) {
    throw new InvalidBuildspecError('Expected at least one phase under "phases", found none.');
  }
  return {
    shell: shellOf(env.shell),
    variables: scalars(env.variables, 'env.variables'),
    runtimeVersions: scalars(mapping(phases.install, 'phases.install')['runtime-versions'], 'phases.install.runtime-versions'),
    phases: Object.fromEntries(
      BUILDSPEC_PHASES.filter((name) => name in phases).map((name) => [name, phaseOf(phases[name], `phases.${name}`)]),
    ),
  };
}

function parseYaml(text: string): unknown {
  try {
    return parse(text);
  } catch (error) {
    throw new InvalidBuildspecError((error as Error).message);
  }
}

function phaseOf(value: unknown, where: string): BuildspecPhase {
  const phase = mapping(value, where);
  refuseUnknown(phase, PHASE_KEYS, where);
  refuseUnsupported(phase, ['run-as', 'steps'], `${where}.`);
  return {
    commands: commandsOf(phase.commands, `${where}.commands`),
    finally: commandsOf(phase.finally, `${where}.finally`),
    onFailure: onFailureOf(phase['on-failure'], where),
  };
}

function commandsOf(value: unknown, where: string): string[] {
  if (value === undefined || value === null) {
    return [];
  }
  const commands: unknown[] = Array.isArray(value) ? value : [value];
  return commands.map((command, index) => {
    if (typeof command !== 'string') {
      // The classic: `- echo Status: done` is a mapping in YAML.
      throw new InvalidBuildspecError(
        `Expected ${where}[${index}] to be a string, found ${JSON.stringify(command)}. Quote the command, or write it as a "|" block.`,
      );
    }
    return command;
  });
}

function onFailureOf(value: unknown, where: string): BuildspecPhase['onFailure'] {
  if (value === undefined || value === 'ABORT' || value === 'CONTINUE') {
    return value;
  }
  if (typeof value === 'string' && value.startsWith('RETRY')) {
    throw new UnsupportedBuildspecError(`The local CodeBuild does not retry: ${where}.on-failure is "${value}". Use ABORT or CONTINUE.`);
  }
  throw new InvalidBuildspecError(`Expected ${where}.on-failure to be ABORT, CONTINUE or RETRY, found ${JSON.stringify(value)}.`);
}

function shellOf(value: unknown): Buildspec['shell'] {
  if (value === undefined || value === '/bin/sh') {
    return '/bin/sh';
  }
  if (value === 'bash') {
    return value;
  }
  throw new InvalidBuildspecError(`Expected env.shell to be "bash" or "/bin/sh", found ${JSON.stringify(value)}.`);
}

/** An absent or empty section is an empty mapping. */
function mapping(value: unknown, where: string): Record<string, unknown> {
  if (value === undefined || value === null) {
    return {};
  }
  if (typeof value !== 'object' || Array.isArray(value)) {
    throw new InvalidBuildspecError(`Expected ${where} to be a mapping, found ${JSON.stringify(value)}.`);
  }
  return value as Record<string, unknown>;
}

function scalars(value: unknown, where: string): Record<string, string> {
  return Object.fromEntries(Object.entries(mapping(value, where)).map(([name, scalar]) => {
    if (typeof scalar === 'object' && scalar !== null) {
      throw new InvalidBuildspecError(`Expected ${where}.${name} to be a string, found ${JSON.stringify(scalar)}.`);
    }
    return [name, String(scalar ?? '')];
  }));
}

function refuseUnknown(section: Record<string, unknown>, known: readonly string[], where: string): void {
  const unknown = Object.keys(section).filter((key) => !known.includes(key));
  if (unknown.length > 0) {
    throw new InvalidBuildspecError(`Unknown key ${unknown.map((key) => `"${key}"`).join(', ')} in ${where}; known are ${known.join(', ')}.`);
  }
}

function refuseUnsupported(section: Record<string, unknown>, keys: readonly string[], prefix: string): void {
  for (const key of keys) {
    if (!isEmpty(section[key])) {
      throw new UnsupportedBuildspecError(`The local CodeBuild does not implement "${prefix}${key}". Remove it from the buildspec, or build in AWS.`);
    }
  }
}

function isEmpty(value: unknown): boolean {
  if (typeof value === 'object' && value !== null) {
    return Object.keys(value).length === 0;
  }
  return value === undefined || value === null || value === '' || value === 'no' || value === false;
}
