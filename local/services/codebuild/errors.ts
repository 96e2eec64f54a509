import { AwsJsonError } from '../aws-json';

/** An error as CodeBuild's API models it. */
export class CodeBuildError extends AwsJsonError {
  constructor(type: 'InvalidInputException' | 'ResourceNotFoundException' | 'AccountLimitExceededException', message: string) {
    super(type, message);
  }
}
