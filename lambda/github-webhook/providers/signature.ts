import { verify } from '@octokit/webhooks-methods';

/** HMAC SHA-256 of the raw body, as `sha256=<hex>`. */
export async function isSigned(signature: string, body: Buffer, secret: string): Promise<boolean> {
  // The library would take SHA-1 too, and it throws for an empty text. Bytes that are no UTF-8 become other text, for which the signature is
  // wrong: no forge sends any.
  return signature.startsWith('sha256=') && body.length > 0 && verify(secret, body.toString(), signature);
}
