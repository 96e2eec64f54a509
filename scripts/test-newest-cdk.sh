#!/usr/bin/env bash
# Runs the tests of the constructs against the newest aws-cdk-lib (or the version given) in a temporary copy of what they need.
set -euo pipefail

version=${1:-latest}
root=$(cd "$(dirname "$0")/.." && pwd)
copy=$(mktemp -d)
trap 'rm -rf "$copy"' EXIT

cd "$root"
mkdir -p "$copy/test" "$copy/examples" "$copy/node_modules"
cp -R package.json tsconfig.json tsconfig.dev.json src assets buildspec lambda local scripts "$copy"
cp -R examples/cdk-app "$copy/examples"
cp -R test/constructs test/support "$copy/test"
# Every module as it is installed here, but for the two in question, and cdk-nag, which must find the same ones as the tests.
ln -s "$root"/node_modules/.bin "$root"/node_modules/* "$copy/node_modules"
rm "$copy/node_modules/aws-cdk-lib" "$copy/node_modules/constructs" "$copy/node_modules/cdk-nag"
nag=$(node -p 'require("cdk-nag/package.json").version')
npm install --prefix "$copy/cdk" --no-audit --no-fund --loglevel=error "aws-cdk-lib@$version" constructs@10 "cdk-nag@$nag"
ln -s ../cdk/node_modules/aws-cdk-lib ../cdk/node_modules/constructs ../cdk/node_modules/cdk-nag "$copy/node_modules"

cd "$copy"
echo "Testing with aws-cdk-lib $(node -p 'require("aws-cdk-lib/package.json").version')"
npx tsc --noEmit -p tsconfig.json
npx jest test/constructs --ci --coverage=false
