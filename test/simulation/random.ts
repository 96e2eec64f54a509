/** A source of chance that repeats itself: the same seed, the same numbers (Lehmer's generator with Park and Miller's modulus). */
const MODULUS = 2_147_483_647;
const MULTIPLIER = 48_271;

export class Random {
  private state: number;

  constructor(seed: number) {
    this.state = 1 + Math.abs(Math.trunc(seed)) % (MODULUS - 1);
    // Neighbouring seeds begin with neighbouring numbers.
    for (let round = 0; round < 8; round += 1) this.next();
  }

  /** Between 0 and 1. */
  next(): number {
    this.state = this.state * MULTIPLIER % MODULUS;
    return this.state / MODULUS;
  }

  between(low: number, high: number): number {
    return low + this.next() * (high - low);
  }

  chance(probability: number): boolean {
    return this.next() < probability;
  }

  /** 36 characters that look like a UUID. */
  uuid(): string {
    const hex = Array.from({ length: 32 }, () => Math.floor(this.next() * 16).toString(16)).join('');
    return [hex.slice(0, 8), hex.slice(8, 12), hex.slice(12, 16), hex.slice(16, 20), hex.slice(20)].join('-');
  }
}
