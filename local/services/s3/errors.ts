/** Errors as S3 answers them: a status, a code that SDKs switch on, and elements of the code's own. */
import type { SignatureError, SignatureProblem } from '../sigv4';

export class S3Error extends Error {
  readonly name = 'S3Error';

  constructor(readonly status: number, readonly code: string, message: string, readonly details: Record<string, string> = {}) {
    super(message);
  }
}

export const noSuchBucket = (bucket: string) => new S3Error(404, 'NoSuchBucket', 'The specified bucket does not exist', { BucketName: bucket });

export const noSuchKey = (key: string) => new S3Error(404, 'NoSuchKey', 'The specified key does not exist.', { Key: key });

export const noSuchUpload = (uploadId: string) => new S3Error(
  404, 'NoSuchUpload', 'The specified upload does not exist. The upload ID may be invalid, or the upload may have been aborted or completed.',
  { UploadId: uploadId },
);

export const invalidArgument = (name: string, value: string, message: string) => new S3Error(
  400, 'InvalidArgument', message, { ArgumentName: name, ArgumentValue: value },
);

export const invalidRequest = (message: string) => new S3Error(400, 'InvalidRequest', message);

export const preconditionFailed = (condition: string) => new S3Error(
  412, 'PreconditionFailed', 'At least one of the pre-conditions you specified did not hold', { Condition: condition },
);

/** An answer without a body, not a failure: the client's copy is still the current one. */
export const notModified = () => new S3Error(304, 'NotModified', 'Not Modified');

export const malformedXml = () => new S3Error(
  400, 'MalformedXML', 'The XML you provided was not well-formed or did not validate against our published schema',
);

const SIGNATURE_PROBLEMS: Readonly<Record<SignatureProblem, readonly [status: number, code: string]>> = {
  'malformed header': [400, 'AuthorizationHeaderMalformed'],
  'malformed query': [400, 'AuthorizationQueryParametersError'],
  'wrong scope': [400, 'AuthorizationHeaderMalformed'],
  'unknown key': [403, 'InvalidAccessKeyId'],
  'unknown token': [400, 'InvalidToken'],
  'wrong time': [403, 'RequestTimeTooSkewed'],
  'expired': [403, 'AccessDenied'],
  'not yet valid': [403, 'AccessDenied'],
  'unsigned headers': [403, 'AccessDenied'],
  'mismatch': [403, 'SignatureDoesNotMatch'],
};

export const signatureError = ({ details, message, problem }: SignatureError) => new S3Error(...SIGNATURE_PROBLEMS[problem], message, details);
