import { NextResponse } from 'next/server';

/** Runs before every page and API route (Next.js called this file middleware.ts before version 16). */
export function proxy() {
  const response = NextResponse.next();
  response.headers.set('x-example-proxy', 'ran');
  return response;
}

export const config = {
  matcher: '/((?!_next/|robots.txt|images/).*)',
};
