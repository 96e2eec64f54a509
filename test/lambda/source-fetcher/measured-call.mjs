// Calls a bundled handler once, in a process of its own, and prints how many megabytes of memory that took at most: measured-call.mjs BUNDLE EVENT
const [bundle, event] = process.argv.slice(2);
const { default: { handler } } = await import(bundle);

// Looked at again and again: the kernel's own maximum begins with that of the process that started this one.
let peak = 0;
const look = () => { peak = Math.max(peak, process.memoryUsage.rss()); };
const looking = setInterval(look, 20);
await handler(JSON.parse(event), { awsRequestId: 'request-1', functionName: 'source-fetcher', getRemainingTimeInMillis: () => 300_000 });
clearInterval(looking);
look();
console.log(peak / 1024 ** 2);
