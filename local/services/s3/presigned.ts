/** Presigned URLs (SigV4 in the query) are good until they expire. */
import { S3Error } from './errors';

/** A week: S3 refuses to honour more. */
const MAX_EXPIRES_SECONDS = 604_800;

const invalidQuery = (message: string) => new S3Error(400, 'AuthorizationQueryParametersError', message);

export function checkExpiry(query: URLSearchParams, now = new Date()): void {
  if (!query.has('X-Amz-Algorithm')) {
    return;
  }
  const expires = query.get('X-Amz-Expires') ?? '';
  const [, year, month, day, hour, minute, second] = /^(\d{4})(\d\d)(\d\d)T(\d\d)(\d\d)(\d\d)Z$/.exec(query.get('X-Amz-Date') ?? '') ?? [];
  if (!/^\d+$/.test(expires) || Number(expires) > MAX_EXPIRES_SECONDS) {
    throw invalidQuery(`X-Amz-Expires must be a number between 0 and ${MAX_EXPIRES_SECONDS} seconds`);
  }
  if (year === undefined) {
    throw invalidQuery('X-Amz-Date must be in the ISO8601 Long Format "yyyyMMdd\'T\'HHmmss\'Z\'"');
  }
  const until = new Date(Date.parse(`${year}-${month}-${day}T${hour}:${minute}:${second}Z`) + Number(expires) * 1000);
  if (!(until > now)) {
    throw new S3Error(403, 'AccessDenied', 'Request has expired', { Expires: until.toISOString(), ServerTime: now.toISOString() });
  }
}
