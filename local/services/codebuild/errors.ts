/** An error as CodeBuild's API models it. */
export class CodeBuildError extends Error {
  constructor(readonly code: 'InvalidInputException' | 'ResourceNotFoundException' | 'AccountLimitExceededException', message: string) {
    super(message);
    this.name = code;
  }
}
