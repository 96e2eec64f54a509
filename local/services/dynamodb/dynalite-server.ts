import type { Server } from 'node:http';
import { createRequire } from 'node:module';
import dynalite from 'dynalite';

/** dynalite, in memory; tables are there at once, where AWS takes seconds to create one. */
export function dynaliteServer(): Server {
  closeIterators();
  return dynalite({ createTableMs: 0, deleteTableMs: 0, updateTableMs: 0 });
}

/**
 * dynalite ends the iterator of a query by calling `return`, which the iterators of its store do not have: they call it `close`. Left open,
 * each one keeps the whole table as it was at that moment; some ten thousand queries fill the memory.
 */
function closeIterators(): void {
  const store = createRequire(require.resolve('dynalite')).resolve('memory-level');
  const { AbstractKeyIterator, AbstractValueIterator } = createRequire(store)('abstract-level') as Record<string, { prototype: Iterator }>;
  for (const { prototype } of [AbstractKeyIterator, AbstractValueIterator]) {
    prototype.return ??= async function close(this: Iterator) {
      await this.close();
    };
  }
}

interface Iterator {
  close(): Promise<void>;
  return?(): Promise<void>;
}
