// Every version that is pinned is pinned here. The app's own choice comes before each of them.

/** By the installed Next.js: the newest @opennextjs/aws that builds it, tried with each minor version. */
export const OPEN_NEXT = { '>=15 <17': '4.1.12', '>=14.2 <15': '3.9.10', '>=13.5 <14.2': '3.9.3' };
export const SUPPORTED_NEXT = '13.5 up to 16.x';

/** For a range of versions, the first that fits. What Lambda runs comes first, the newest before the others; it has ended 18, and previews 26. */
export const NODE = ['24.21.0', '22.23.3', '20.20.2', '26.10.0'];

/** By the format of the lockfile: the newest release that accepts it as it is. */
export const PNPM = { 5: '7.33.7', 6: '8.15.9', 9: '10.34.9' };
export const YARN = { 6: '3.8.7', 8: '4.13.0', 9: '4.14.1', 10: '4.18.1', classic: '1.22.22' };
/** For a range of versions: the newest of each major version. */
export const MANAGERS = {
  npm: ['12.2.0', '11.21.2', '10.9.9'],
  pnpm: ['12.21.0', '11.28.11', '10.34.9', '9.15.9', '8.15.9', '7.33.7'],
  yarn: ['4.18.1', '3.8.7', '1.22.22'],
  bun: ['1.4.5'],
};
