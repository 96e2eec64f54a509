import * as z from 'zod';
import { quoted } from './quoted';
import { isBranchName, isRelativeDirectory, repoUrlProblem } from './request-fields';
import { variablesProblem } from './variables';
import {
  BuildRequest, COMMIT_SHA_PATTERN, ID_PATTERN, MAX_BRANCH_LENGTH, MAX_REPO_URL_LENGTH, MAX_ROOT_DIRECTORY_LENGTH,
  RECORDED_FIELDS,
} from '../../src/contract/build-request';

/**
 * Validation of what comes out of the queue. Whatever passes here is used as an S3 key segment, a DynamoDB key, a git operand and
 * an environment variable of a shell, so each field may only hold what is harmless in all of them.
 */

// zod's own `.min()` and `.max()` also look at what is no string but has a length, whatever that is; a refinement does not.
const atMost = (length: number) => [(value: string) => value.length <= length, `must be at most ${length} characters`] as const;

const id = z.string('is missing or not a string').regex(ID_PATTERN, 'must be 1 to 128 letters, digits, ".", "_" or "-", and begin with a letter or digit');

const commitSha = z.string('is missing or not a string').regex(COMMIT_SHA_PATTERN, 'must be a full commit SHA: 40 or 64 hex digits in lower case');

const repoUrl = z.string('is missing or not a string')
  .refine(...atMost(MAX_REPO_URL_LENGTH))
  .superRefine((value, context) => {
    const problem = repoUrlProblem(value);
    if (problem) context.addIssue({ code: 'custom', message: problem });
  });

const branch = z.string('is missing or not a string')
  .refine((value) => value !== '', 'must not be empty')
  .refine(...atMost(MAX_BRANCH_LENGTH))
  .refine(isBranchName, 'must be a branch name that git accepts, without "refs/heads/"');

const rootDirectory = z.string('is not a string')
  .refine(...atMost(MAX_ROOT_DIRECTORY_LENGTH))
  .refine(isRelativeDirectory, 'must be a relative path below the repository, such as "apps/web", without ".", ".." or a trailing "/"; leave it out for the repository\'s root');

const buildEnvironment = z.custom<NonNullable<BuildRequest['buildEnvironment']>>().superRefine((value, context) => {
  const problem = variablesProblem(value);
  if (problem) context.addIssue({ code: 'custom', message: problem });
});

const choice = z.boolean('is not true or false').optional();

const buildRequest = z.strictObject({
  deploymentId: id,
  projectId: id,
  commitSha,
  repoUrl,
  branch,
  rootDirectory: rootDirectory.optional(),
  defaultBranch: branch.optional(),
  forceBuild: choice,
  withoutCache: choice,
  withoutSecrets: choice,
  buildEnvironment: buildEnvironment.optional(),
}).refine(({ buildEnvironment: variables, withoutSecrets }) => !(variables && withoutSecrets), {
  path: ['buildEnvironment'], error: 'cannot be combined with withoutSecrets: whoever wrote the code could read it',
}) satisfies z.ZodType<BuildRequest>;

export type ParsedBuildRequest =
  | { readonly valid: true; readonly request: BuildRequest }
  /** `readable` holds the fields for the record that are valid by themselves: enough to find the deployment, if its id is among them. */
  | { readonly valid: false; readonly problem: string; readonly readable: Partial<BuildRequest> };

export function parseBuildRequest(body: string): ParsedBuildRequest {
  let json: unknown;
  try {
    json = JSON.parse(body);
  } catch {
    return { valid: false, problem: 'the message is not JSON', readable: {} };
  }
  if (typeof json !== 'object' || json === null || Array.isArray(json)) {
    return { valid: false, problem: 'the message is not a JSON object', readable: {} };
  }
  const result = buildRequest.safeParse(json);
  if (result.success) {
    return { valid: true, request: result.data };
  }
  return { valid: false, problem: describe(result.error), readable: readableFields(json as Record<string, unknown>) };
}

/** Field names are the sender's text too: quoted and cut, because the sentence ends up in a record and on a page. */
function describe(error: z.ZodError): string {
  return error.issues.slice(0, 5).map((issue) => {
    if (issue.code === 'unrecognized_keys') {
      return `unknown field ${issue.keys.slice(0, 3).map((key) => quoted(key.slice(0, 40))).join(', ')}`;
    }
    return `${issue.path.join('.')} ${issue.message}`;
  }).join('; ');
}

function readableFields(json: Record<string, unknown>): Partial<BuildRequest> {
  return Object.fromEntries(RECORDED_FIELDS.flatMap((name) => {
    const field = buildRequest.shape[name].safeParse(Object.hasOwn(json, name) ? json[name] : undefined);
    return field.success && field.data !== undefined ? [[name, field.data]] : [];
  }));
}
