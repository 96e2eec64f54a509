/** One HTTP request to the webhook, whichever way it came to the function. */
export interface Delivery {
  readonly method: string;
  readonly path: string;
  /** With names in lower case. */
  readonly headers: Readonly<Record<string, string>>;
  /** As it was sent, byte for byte: that is what is signed. */
  readonly body: Buffer;
}

/** What Lambda gives to a function behind a function URL or an HTTP API (payload 2.0), or behind a REST API or a load balancer (1.0). */
export interface HttpEvent {
  readonly requestContext?: { readonly http?: { readonly method?: string } };
  readonly rawPath?: string;
  readonly httpMethod?: string;
  readonly path?: string;
  readonly headers?: Readonly<Record<string, string | undefined>> | null;
  /** In place of `headers`, if a load balancer is set up so. */
  readonly multiValueHeaders?: Readonly<Record<string, readonly string[] | undefined>> | null;
  readonly body?: string | null;
  readonly isBase64Encoded?: boolean;
}

export function deliveryOf(event: HttpEvent): Delivery {
  return {
    method: event.requestContext?.http?.method ?? event.httpMethod ?? '',
    path: event.rawPath ?? event.path ?? '/',
    headers: headersOf(event),
    body: Buffer.from(event.body ?? '', event.isBase64Encoded === true ? 'base64' : 'utf8'),
  };
}

function headersOf({ headers, multiValueHeaders }: HttpEvent): Record<string, string> {
  const single = Object.entries(headers ?? {});
  const multiple = Object.entries(multiValueHeaders ?? {}).map(([name, values]) => [name, values?.at(-1)] as const);
  return Object.fromEntries([...multiple, ...single].flatMap(([name, value]) => (value === undefined ? [] : [[name.toLowerCase(), value]])));
}
