/** What IAM knows of a request beside who, what and on what: the condition keys. Their names are case-insensitive. */
export type ContextValues = Readonly<Record<string, string | readonly string[] | undefined>>;

export class RequestContext {
  private readonly values: ReadonlyMap<string, readonly string[]>;

  /** @param check called with each key that a policy asks for; may throw */
  constructor(values: ContextValues, private readonly check: (key: string) => void = () => undefined) {
    const present = Object.entries(values).filter((entry): entry is [string, string | string[]] => entry[1] !== undefined);
    this.values = new Map(present.map(([key, value]) => [key.toLowerCase(), typeof value === 'string' ? [value] : value]));
  }

  /** `undefined`: the request does not carry the key. */
  public get(key: string): readonly string[] | undefined {
    this.check(key);
    return this.values.get(key.toLowerCase());
  }
}
