/**
 * Why a deployment failed: a closed list that a platform can show to its users. `message` says what to do.
 * A code with an `exitCode` is reported by a step of the buildspec, which ends with that status; CodeBuild carries it
 * to the finalizer in the phase context ("exit status 21"). The numbers stay clear of the shell's own (1, 2, 126 and up).
 */
interface Failure {
  readonly message: string;
  readonly exitCode?: number;
}

const FAILURES = {
  INVALID_REQUEST: { message: 'The build request is not valid. Correct it and send it again with a new deployment id.' },
  START_FAILED: { message: 'CodeBuild did not start the build. This is a fault of the platform: check the pipeline\'s CodeBuild project and quotas, then redrive the dead-letter queue, or send the request again.' },
  INVALID_INSTALL_SECRETS: { message: 'The secrets for this project\'s install are not a JSON object of environment variables. Correct them in Secrets Manager, then redrive the dead-letter queue, or send the request again.' },
  NO_CAPACITY: { message: 'The build waited for capacity as long as requests are kept. Ask the platform for more concurrent builds, then send the request again.' },
  CHECKOUT_FAILED: { exitCode: 20, message: 'The repository could not be read; the build log says why. Check that its URL is right, and that it can be cloned without a password or the platform has access to it.' },
  COMMIT_NOT_FOUND: { exitCode: 21, message: 'The repository does not have this commit. Push it, or check the commit SHA.' },
  ROOT_DIRECTORY_NOT_FOUND: { exitCode: 22, message: 'The root directory does not exist in this commit. Check the project\'s root directory setting.' },
  NOT_A_NEXTJS_APP: { exitCode: 23, message: 'There is no Next.js app here: package.json is missing, is not valid JSON, or does not depend on "next". In a monorepo, set the root directory to the app.' },
  UNSUPPORTED_NEXTJS_VERSION: { exitCode: 24, message: 'OpenNext does not support this version of Next.js. The build log names the supported range; upgrade "next".' },
  UNSUPPORTED_PACKAGE_MANAGER: { exitCode: 25, message: 'The package manager named in package.json cannot be used. Use npm, pnpm, yarn or bun in a version that exists, or remove the "packageManager" field.' },
  INSTALL_FAILED: { exitCode: 30, message: 'Installing the dependencies failed. Run the same frozen install on your machine, and commit the lockfile that belongs to package.json.' },
  BUILD_FAILED: { exitCode: 31, message: 'The app\'s build script failed. The end of the build log shows its own error.' },
  OUT_OF_MEMORY: { exitCode: 32, message: 'The build ran out of memory. Ask for a larger compute type, or reduce what next build has to hold at once.' },
  PACKAGE_FAILED: { exitCode: 33, message: 'The app was built, but OpenNext could not package the output of next build. The build log shows why.' },
  ARTIFACT_TOO_LARGE: { exitCode: 34, message: 'A server function is larger than the 250 MB that Lambda accepts. The build log lists its largest packages; leave some out with outputFileTracingExcludes.' },
  FUNCTION_BROKEN: { exitCode: 36, message: 'The app was built, but one of its functions cannot run: a file or a package is not in it, or its handler cannot be loaded. The build log says what is missing where.' },
  SECRET_PUBLISHED: { exitCode: 37, message: 'A file that browsers would get contains a secret. The build log names file and variable. Keep the secret out of the public directory, and out of code that runs in the browser.' },
  UPLOAD_FAILED: { exitCode: 35, message: 'The artifacts could not be stored. This is a fault of the platform: check the build role\'s access to the bucket and its key.' },
  ARTIFACTS_MISSING: { message: 'The build reported success, but the artifacts are not all there. Send the request again with a new deployment id.' },
  ARTIFACTS_INVALID: { message: 'The build reported success, but what it stored is not acceptable. The finalizer\'s log names the object.' },
  PROMOTION_FAILED: { message: 'The app was built, but its artifacts could not be put in place. This is a fault of the platform: the finalizer\'s log shows why. Then send the request again with a new deployment id.' },
  TIMED_OUT: { message: 'The build took longer than the platform allows. Make it faster, or ask for a longer build timeout.' },
  QUEUE_TIMED_OUT: { message: 'CodeBuild had no machine for the build in time. Send the request again with a new deployment id; if it happens often, ask for more concurrent builds.' },
  STOPPED: { message: 'The build was stopped before it was done. Send the request again with a new deployment id.' },
  PROVISIONING_FAILED: { message: 'CodeBuild could not prepare the build container. This is a fault of the platform: check the project\'s image, network and role, then send the request again with a new deployment id.' },
  CODEBUILD_FAULT: { message: 'CodeBuild could not run the build, for a reason outside the app. Send the request again with a new deployment id.' },
} as const satisfies Record<string, Failure>;

export type FailureCode = keyof typeof FAILURES;

export const FAILURE_CODES = Object.keys(FAILURES) as FailureCode[];

export function failureMessage(code: FailureCode): string {
  return FAILURES[code].message;
}

/** Exit status by failure code, for the codes that a step of the buildspec reports. */
export const EXIT_CODES: Readonly<Partial<Record<FailureCode, number>>> = Object.fromEntries(
  Object.entries(FAILURES).flatMap(([code, failure]) => ('exitCode' in failure ? [[code, failure.exitCode]] : [])),
);

/** The failure that a step reported with its exit status, if it is one of ours. */
export function failureOfExitCode(exitCode: number): FailureCode | undefined {
  return FAILURE_CODES.find((code) => EXIT_CODES[code] === exitCode);
}
