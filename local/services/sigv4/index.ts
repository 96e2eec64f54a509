/**
 * AWS Signature Version 4 as a service verifies it: who has signed a request, and that nothing was changed since. How it is computed is the
 * AWS SDK's own code; what is here is what a service refuses.
 * https://docs.aws.amazon.com/IAM/latest/UserGuide/reference_sigv-create-signed-request.html
 */
import type { IncomingMessage } from 'node:http';
import { checkSame } from './compare';
import { SignatureError } from './errors';
import { sha256 } from './sha256';
import { Signer } from './signer';
import { queryOf, statedSignature, type StatedSignature } from './stated-signature';
import { checkValidity } from './validity';

export { SignatureError, type SignatureProblem } from './errors';
export { queryOf } from './stated-signature';

/** Of an access key id; `undefined`: nobody has it. */
export type SecretOf = (accessKeyId: string) => string | undefined;

/** What a service expects of a signature. */
export interface Authentication {
  /** As in the credential scope. */
  readonly service: string;
  readonly region: string;
  /** Missing, as in tests that have a clock of their own: only its form, and whether a URL has expired, is checked, and whoever names a key is believed. */
  readonly secretOf?: SecretOf;
}

/** Who has signed a request. */
export interface Caller {
  readonly accessKeyId: string;
  readonly signature: StatedSignature;
  /** Signs what follows in the body. Missing where nothing is verified. */
  readonly signer?: Signer;
}

/**
 * Throws SignatureError. `undefined`: the request is anonymous.
 *
 * @param body where it was read already; S3 compares it with `x-amz-content-sha256` while it comes in
 */
export async function authenticate(request: IncomingMessage, { region, secretOf, service }: Authentication, body?: Buffer): Promise<Caller | undefined> {
  const signature = statedSignature(request);
  if (!signature) return undefined;
  const { accessKeyId } = signature;
  if (secretOf || signature.presigned) checkValidity(signature);
  if (!secretOf) return { accessKeyId, signature };
  checkScope(signature, { region, service });
  const secret = secretOf(accessKeyId);
  if (secret === undefined) {
    throw new SignatureError('unknown key', `The AWS access key ID ${accessKeyId} does not exist in this run.`, { AWSAccessKeyId: accessKeyId });
  }
  // The run's credentials have none.
  if (signature.sessionToken !== undefined) throw new SignatureError('unknown token', 'The security token included in the request is invalid: this run issues none.');
  checkSignedHeaders(signature, request);
  const signer = new Signer(signature, secret);
  const payload = body === undefined ? statedPayload(signature, request) : sha256(body);
  checkSame(payload, String(request.headers['x-amz-content-sha256'] ?? payload));
  checkSame(await signer.sign(request, payload), signature.value);
  return { accessKeyId, signature, signer };
}

function checkScope(signature: StatedSignature, expected: { region: string; service: string }): void {
  for (const name of ['region', 'service'] as const) {
    if (signature[name] === expected[name]) continue;
    const details: Record<string, string> = name === 'region' ? { Region: expected.region } : {};
    throw new SignatureError(signature.presigned ? 'malformed query' : 'wrong scope', `The credential is malformed; the ${name} '${signature[name]}' is wrong; expecting '${expected[name]}'.`, details);
  }
}

/** The host, so that a request is good for one server only, and all headers by which AWS is told what to do. */
function checkSignedHeaders({ signedHeaders }: StatedSignature, { headers }: IncomingMessage): void {
  const unsigned = ['host', ...Object.keys(headers).filter((name) => name.startsWith('x-amz-'))].filter((name) => !signedHeaders.includes(name));
  if (unsigned.length === 0) return;
  throw new SignatureError('unsigned headers', `There were headers present in the request which were not signed: ${unsigned.join(', ')}.`, {
    HeadersNotSigned: unsigned.join(', '),
  });
}

function statedPayload({ presigned }: StatedSignature, { headers, url = '' }: IncomingMessage): string {
  const stated = headers['x-amz-content-sha256'];
  if (stated !== undefined) return String(stated);
  if (!presigned) throw new SignatureError('malformed header', 'Missing required header for this request: x-amz-content-sha256.');
  // A presigned URL may carry it in its query, in either case.
  return [...queryOf(url)].find(([name]) => name.toLowerCase() === 'x-amz-content-sha256')?.[1] ?? 'UNSIGNED-PAYLOAD';
}
