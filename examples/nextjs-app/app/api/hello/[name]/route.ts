/** Runs in the server function on every request. */
export async function GET(_request: Request, { params }: { params: Promise<{ name: string }> }) {
  const { name } = await params;
  return Response.json({ message: `Hello, ${name}!`, timestamp: new Date().toISOString() });
}
