/** Virtual time: what is to happen when. Nothing here waits, the clock jumps from one event to the next. */

export interface Appointment {
  readonly at: number;
  cancelled: boolean;
}

interface Entry extends Appointment {
  readonly order: number;
  readonly action: () => void | Promise<void>;
}

export class Timeline {
  private readonly heap: Entry[] = [];
  private order = 0;

  /** `now`: milliseconds since 1970. */
  constructor(public now: number) {}

  /** Events of the same millisecond happen in the order in which they were asked for. */
  after(milliseconds: number, action: () => void | Promise<void>): Appointment {
    const entry: Entry = { at: this.now + Math.max(0, milliseconds), order: this.order += 1, cancelled: false, action };
    this.heap.push(entry);
    this.up(this.heap.length - 1);
    return entry;
  }

  /** When the next event is due. */
  get next(): number | undefined {
    while (this.heap[0]?.cancelled) {
      this.pop();
    }
    return this.heap[0]?.at;
  }

  /** Sets the clock to the next event and lets it happen. False: nothing is left to happen. */
  async step(): Promise<boolean> {
    if (this.next === undefined) {
      return false;
    }
    const entry = this.pop();
    this.now = entry.at;
    await entry.action();
    return true;
  }

  private pop(): Entry {
    const first = this.heap[0];
    const last = this.heap.pop()!;
    if (this.heap.length > 0) {
      this.heap[0] = last;
      this.down(0);
    }
    return first;
  }

  private up(index: number): void {
    for (let child = index; child > 0;) {
      const parent = Math.floor((child - 1) / 2);
      if (!before(this.heap[child], this.heap[parent])) {
        return;
      }
      [this.heap[child], this.heap[parent]] = [this.heap[parent], this.heap[child]];
      child = parent;
    }
  }

  private down(index: number): void {
    for (let parent = index; ;) {
      const [left, right] = [2 * parent + 1, 2 * parent + 2];
      let first = parent;
      for (const child of [left, right]) {
        if (child < this.heap.length && before(this.heap[child], this.heap[first])) {
          first = child;
        }
      }
      if (first === parent) {
        return;
      }
      [this.heap[parent], this.heap[first]] = [this.heap[first], this.heap[parent]];
      parent = first;
    }
  }
}

function before(a: Entry, b: Entry): boolean {
  return a.at < b.at || (a.at === b.at && a.order < b.order);
}
