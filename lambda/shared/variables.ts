import { quoted } from './quoted';
import { MAX_BUILD_ENVIRONMENT_BYTES, MAX_BUILD_VARIABLES } from '../../src/contract/build-request';
import { variableNameProblem } from '../../src/contract/environment';

/** Why these cannot be environment variables of a build, without a word of their values; undefined: they can. */
export function variablesProblem(variables: unknown): string | undefined {
  if (typeof variables !== 'object' || variables === null || Array.isArray(variables)) return 'is not a JSON object';
  const entries = Object.entries(variables);
  if (entries.length > MAX_BUILD_VARIABLES) return `has ${entries.length} variables; at most ${MAX_BUILD_VARIABLES} are accepted`;
  let bytes = 0;
  for (const [name, value] of entries) {
    const problem = variableNameProblem(name) ?? valueProblem(value);
    if (problem) return `has a variable ${quoted(name.slice(0, 40))} that ${problem}`;
    bytes += Buffer.byteLength(name) + Buffer.byteLength(value as string);
  }
  return bytes > MAX_BUILD_ENVIRONMENT_BYTES ? `has ${bytes} bytes of variables; at most ${MAX_BUILD_ENVIRONMENT_BYTES} are accepted` : undefined;
}

function valueProblem(value: unknown): string | undefined {
  if (typeof value !== 'string') return 'is not a string';
  // Neither bash nor an environment can hold NUL.
  return value.includes('\0') ? 'has a NUL character' : undefined;
}
