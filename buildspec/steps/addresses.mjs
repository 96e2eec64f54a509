// Prints where git finds the repository's host, HOST:PORT:ADDRESSES, so that it looks for it nowhere else. A name of anybody's domain may lead
// anywhere, and to another place each time that it is asked for.
import { lookup } from 'node:dns/promises';
import { BlockList } from 'node:net';
import { fail } from './common.mjs';

/** IANA's special-purpose addresses that may be somebody's: networks, the machine itself, its provider's services. Of IPv6, only these are the internet. */
const INTERNAL = { '0.0.0.0': 8, '10.0.0.0': 8, '100.64.0.0': 10, '127.0.0.0': 8, '169.254.0.0': 16, '172.16.0.0': 12, '192.0.0.0': 24, '192.168.0.0': 16, '198.18.0.0': 15, '224.0.0.0': 3 };
const internal = new BlockList();
for (const [network, bits] of Object.entries(INTERNAL)) internal.addSubnet(network, bits);
const internet = new BlockList();
internet.addSubnet('2000::', 3, 'ipv6');

const { REPO_URL } = process.env;
if (!/^https:/.test(REPO_URL) || !URL.canParse(REPO_URL)) fail('CHECKOUT_FAILED', `${REPO_URL} is no https URL.`);
const { hostname, port } = new URL(REPO_URL);
const found = await lookup(hostname.replace(/[[\]]/g, ''), { all: true })
  .catch(({ code }) => fail('CHECKOUT_FAILED', `There is no host ${hostname} (${code}). Check the repository's URL.`));
const addresses = found.filter(({ address, family }) => (family === 6 ? internet.check(address, 'ipv6') : !internal.check(address)))
  .map(({ address, family }) => (family === 6 ? `[${address}]` : address));
if (addresses.length === 0) fail('CHECKOUT_FAILED', `${hostname} is ${found[0].address}, which is not on the internet. Builds fetch from public hosts only.`);
console.log(`${hostname}:${port || 443}:${addresses}`);
