/** What the person at the terminal sees while a deployment is on its way: one line a step, with the time since it was queued. */
export class Progress {
  private started = Date.now();

  constructor(private readonly write: (line: string) => void) {}

  restart(): void {
    this.started = Date.now();
  }

  step(who: string, what: string): void {
    const seconds = ((Date.now() - this.started) / 1000).toFixed(1);
    this.write(`${seconds.padStart(7)} s  ${who.padEnd(12)}  ${what}`);
  }
}
