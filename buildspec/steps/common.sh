# Sourced by every step. What one step finds out for the next ones lies in $STATE, a file for each fact.
set -euo pipefail
. "$STEPS/exit-codes.sh"
export CHECKOUT="$CODEBUILD_SRC_DIR/checkout" OUTPUT="$CODEBUILD_SRC_DIR/output"
step=$(basename "$0" .sh)
trap 'say "$SECONDS s"; echo "$step $SECONDS" >> "$STATE/seconds"' EXIT

say() { echo "[$step] $*"; }
fail() {
  local status="EXIT_$1"
  say "$1: $2" >&2
  exit "${!status}"
}

# Runs a command; its output stays visible, and lies in $STATE/log.
run() {
  local status=0
  "$@" 2>&1 | tee "$STATE/log" || status=$?
  if [ $status != 0 ] && { [ $status = 137 ] || logged 'heap out of memory|SIGKILL|ERR_WORKER_OUT_OF_MEMORY|(status:|code) 137'; }; then
    fail OUT_OF_MEMORY 'Memory ran out. Use a larger compute type, or reduce what the build holds at once.'
  fi
  return $status
}
logged() { grep -qE -- "$1" "$STATE/log"; }

# get DIRECTORY PACKAGE: an npm package of ours, out of the reach of the app's dependencies and its .npmrc.
get() { run npm install --prefix "$STATE/$1" --legacy-peer-deps --no-audit --no-fund --loglevel=error "$2"; }

use_package_manager() {
  export CI=true NEXT_TELEMETRY_DISABLED=1 PATH="$STATE/manager/node_modules/.bin:$PATH"
  # pnpm 11 and later fail over build scripts nobody approved, and over a pnpm the lockfile does not pin: like pnpm 10, only say so.
  export pnpm_config_strict_dep_builds=false pnpm_config_pm_on_fail=ignore
  # OpenNext needs node_modules, Yarn's Plug'n'Play has none.
  if [ "$(<"$STATE/kind")" = berry ] && [ "$(yarn config get nodeLinker)" = pnp ]; then export YARN_NODE_LINKER=node-modules; fi
}
