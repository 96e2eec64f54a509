import type { News } from './news';
import type { HttpsClient } from '../shared/https-client';

/** What is kept of a telling, to go on from there. */
export interface Trace {
  /** Of what was made at GitHub. */
  readonly id?: number;
  /** A check run with a conclusion is over. */
  readonly conclusion?: string;
}

/** One of the places where news is told. Each is on its own: trouble with one is none of the others. */
export interface Channel {
  /** Also the name under which its trace is kept. */
  readonly name: 'checkRun' | 'githubDeployment' | 'outgoingWebhook';
  /** False: this news is not for here, and nobody need be asked. */
  concerns(news: News): boolean;
  /** Whatever is told twice is told once. `before`: the trace of the last telling. Throws if it has to be told again. */
  tell(news: News, before: Trace, client: HttpsClient): Promise<Trace>;
}
