/** Placeholder: the real handler comes from the front door's branch. */
export async function handler(): Promise<{ statusCode: number; body: string }> {
  return { statusCode: 501, body: '' };
}
