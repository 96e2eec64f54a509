import type { NextConfig } from 'next';

const config: NextConfig = {
  // The app is its own root, also while it lies inside a repository that has a lockfile of its own.
  turbopack: { root: __dirname },
};

export default config;
