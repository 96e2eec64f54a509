/** Stops the clock at this moment (of Date only: timers and sockets go on). Whoever calls it sets the clock going again in afterEach. */
export function setClock(moment: string | number): void {
  jest.useFakeTimers({
    now: new Date(moment),
    doNotFake: ['hrtime', 'nextTick', 'performance', 'queueMicrotask', 'setImmediate', 'clearImmediate', 'setInterval', 'clearInterval', 'setTimeout', 'clearTimeout'],
  });
}

export function advanceClock(seconds: number): void {
  jest.setSystemTime(Date.now() + seconds * 1000);
}
