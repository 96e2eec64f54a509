/**
 * Fetches one commit from any git host: protocol version 2 over https, as git itself does with `fetch --depth 1`.
 * https://git-scm.com/docs/protocol-v2
 */
import type { OutgoingHttpHeaders } from 'node:http';
import type { Credential } from './credentials';
import { DELIMITER, FLUSH, packet, type Packet, packetsOf } from './pkt-line';
import { SourceProblem } from './source-problem';
import { wholePack } from './whole-pack';
import { PassingTrouble } from '../shared/host-problem';
import { type Answer, HttpsClient } from '../shared/https-client';
import { quoted } from '../shared/quoted';

export type ObjectFormat = 'sha1' | 'sha256';

const SERVICE = 'git-upload-pack';

/** The list has a dozen short lines. */
const MAX_CAPABILITIES = 100;

/** What the first byte of a packet says, once the pack has begun. */
const BAND = { pack: 1, progress: 2, error: 3 };

const SECTIONS_BEFORE_PACK = ['acknowledgments', 'shallow-info', 'wanted-refs', 'packfile-uris'];

export class GitRemote {
  constructor(private readonly client: HttpsClient, private readonly repository: URL, private readonly credential: Credential) {}

  /** The pack of the commit and everything in it, without history; checked to be whole, but not what is in it: that is git's part, in the build. */
  public async fetch(commitSha: string): Promise<AsyncGenerator<Buffer, void>> {
    const format: ObjectFormat = commitSha.length === 40 ? 'sha1' : 'sha256';
    const { url, knowsFormats } = await this.discover(format);
    const lines = (...all: string[]) => all.map((line) => packet(`${line}\n`)).join('');
    const wish = lines('command=fetch', ...(knowsFormats ? [`object-format=${format}`] : [])) + DELIMITER
      + lines('no-progress', 'ofs-delta', `want ${commitSha}`, 'deepen 1', 'done') + FLUSH;
    const answer = await this.client.post(url, { ...this.headers('result'), 'content-type': `application/x-${SERVICE}-request` }, wish);
    this.check(answer, 'result');
    return wholePack(this.pack(packetsOf(answer.body, url.host), commitSha), format);
  }

  /** Where to fetch from: a repository that was renamed is somewhere else. A host that is older than SHA-256 takes no word about formats. */
  private async discover(format: ObjectFormat): Promise<{ url: URL; knowsFormats: boolean }> {
    const question = `/info/refs?service=${SERVICE}`;
    const answer = await this.client.get(new URL(this.base + question), this.headers('advertisement'));
    this.check(answer, 'advertisement');
    const capabilities = await this.capabilities(packetsOf(answer.body, answer.url.host));
    answer.drop();
    const features = capabilities.get('fetch')?.split(' ') ?? [];
    if (!features.includes('shallow')) throw new SourceProblem(`${this.host} cannot be asked for a single commit (git's "fetch=shallow").`);
    const found = capabilities.get('object-format') ?? 'sha1';
    if (found !== format) throw new SourceProblem(`The repository's commits have ${found === 'sha1' ? 40 : 64} hex digits, this one has not.`, 'COMMIT_NOT_FOUND');
    if (!answer.url.href.endsWith(question)) throw new SourceProblem(`${this.host} redirects to a page that is no repository. Check the URL.`);
    return { url: new URL(answer.url.href.slice(0, -question.length) + `/${SERVICE}`), knowsFormats: capabilities.has('object-format') };
  }

  private async capabilities(packets: AsyncIterable<Packet>): Promise<ReadonlyMap<string, string>> {
    const capabilities = new Map<string, string>();
    let isVersion2 = false;
    for await (const one of packets) {
      const line = lineOf(one);
      if (isVersion2 && line === undefined) return capabilities;
      if (line?.startsWith('ERR ')) throw this.refusal(line.slice(4));
      if (isVersion2 && line !== undefined) capabilities.set(...keyAndValue(line));
      else if (line === 'version 2') isVersion2 = true;
      // Some hosts say first which service it is.
      else if (line !== undefined && !line.startsWith('# service=')) break;
      if (capabilities.size > MAX_CAPABILITIES) break;
    }
    throw isVersion2 ? new PassingTrouble(`${this.host} has broken off while it said what it can do.`)
      : new SourceProblem(`${this.host} does not speak version 2 of git's protocol, which is needed to fetch a commit by its SHA.`);
  }

  private async *pack(packets: AsyncGenerator<Packet, void>, commitSha: string): AsyncGenerator<Buffer, void> {
    try {
      await this.skipToPack(packets, commitSha);
      for await (const one of packets) {
        if (one === 'flush') return;
        if (typeof one === 'string' || one.length === 0) throw this.nonsense('in the pack');
        const [band, content] = [one[0], one.subarray(1)];
        if (band === BAND.error) throw this.refusal(content.toString().trimEnd(), commitSha);
        if (band !== BAND.pack && band !== BAND.progress) throw this.nonsense('in the pack');
        if (band === BAND.pack && content.length > 0) yield content;
      }
      throw new PassingTrouble(`${this.host} has broken off before the end of the pack.`);
    } finally {
      await packets.return();
    }
  }

  /** Sections, each with its name first and a delimiter at its end; the last one is the pack. */
  private async skipToPack(packets: AsyncGenerator<Packet, void>, commitSha: string): Promise<void> {
    let inSection = false;
    for (;;) {
      const { value } = await packets.next();
      if (value === undefined) throw new PassingTrouble(`${this.host} has broken off before the pack.`);
      const line = lineOf(value);
      if (line?.startsWith('ERR ')) throw this.refusal(line.slice(4), commitSha);
      if (line === 'packfile' && !inSection) return;
      if (inSection ? line === undefined && value !== 'delimiter' : !SECTIONS_BEFORE_PACK.includes(line ?? '')) throw this.nonsense('before the pack');
      inSection = value !== 'delimiter';
    }
  }

  private check({ drop, headers, status }: Answer, kind: 'advertisement' | 'result'): void {
    const type = headers['content-type'] ?? '';
    if (status === 200 && type === `application/x-${SERVICE}-${kind}`) return;
    drop();
    if (status === 200) throw new SourceProblem(`${this.host} answers with ${quoted(type.slice(0, 100))} and not as a git repository does. Check the URL.`);
    throw this.credential.refused(status) ?? new SourceProblem(`${this.host} answers with HTTP ${status} where a git repository was expected.`);
  }

  /** The host's own words, of which nobody knows what is in them. */
  private refusal(words: string, commitSha?: string): SourceProblem {
    if (commitSha !== undefined && /not our ref/.test(words)) return new SourceProblem(`The repository does not have commit ${commitSha}. Push it.`, 'COMMIT_NOT_FOUND');
    return new SourceProblem(`${this.host} refuses: ${quoted(this.credential.conceal(words).slice(0, 200))}.`);
  }

  private nonsense(where: string): SourceProblem {
    return new SourceProblem(`${this.host} does not speak git's protocol: something unknown came ${where}.`);
  }

  private headers(kind: 'advertisement' | 'result'): OutgoingHttpHeaders {
    return { 'accept': `application/x-${SERVICE}-${kind}`, 'authorization': this.credential.authorization, 'git-protocol': 'version=2' };
  }

  private get base(): string {
    return this.repository.href.replace(/\/+$/, '');
  }

  private get host(): string {
    return this.repository.host;
  }
}

function lineOf(one: Packet): string | undefined {
  return typeof one === 'string' ? undefined : one.toString().replace(/\n$/, '');
}

function keyAndValue(line: string): [string, string] {
  const [key, ...value] = line.split('=');
  return [key, value.join('=')];
}
