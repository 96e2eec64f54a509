/** Reads an environment variable that the construct sets; its absence is a fault of the deployment, not of a request. */
export function requiredEnv(name: string): string {
  const value = process.env[name];
  if (!value) {
    throw new Error(`Environment variable ${name} is not set. The NextjsBuildPipeline construct sets it; was the function's configuration changed by hand?`);
  }
  return value;
}
