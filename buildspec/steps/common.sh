# Shared by the steps, sourced by each.
set -euo pipefail
. "$STEPS/exit-codes.sh"
step=$(basename "$0" .sh)
export CHECKOUT="$CODEBUILD_SRC_DIR/checkout" OUTPUT="$CODEBUILD_SRC_DIR/output"

finish() {
  echo "[$step] $SECONDS s"
  echo "$step $SECONDS" >> "$STATE/seconds"
}
trap finish EXIT

say() { echo "[$step] $*"; }

# fail CODE SENTENCE: ends the step with the code's exit status.
fail() {
  local status="EXIT_$1"
  printf '\n[%s] %s: %s\n' "$step" "$1" "$2" >&2
  exit "${!status}"
}

# run COMMAND...: keeps its output visible and in $STATE/log. Returns its status, except when memory ran out.
run() {
  local status=0
  "$@" 2>&1 | tee "$STATE/log" || status=$?
  [ "$status" != 0 ] || return 0
  if [ "$status" = 137 ] || logged 'heap out of memory|SIGKILL|ERR_WORKER_OUT_OF_MEMORY|(status:|exit code|error code) 137'; then
    fail OUT_OF_MEMORY 'The process was killed for want of memory. Use a larger compute type, or reduce what the build holds at once.'
  fi
  return "$status"
}
logged() { grep -qE -- "$1" "$STATE/log"; }

# The app's own package manager comes first on PATH, in install and build alike.
use_package_manager() {
  manager=$(<"$STATE/manager")
  # pnpm 11 and later fail over build scripts that nobody approved; they are skipped and listed instead.
  export PATH="$STATE/tools/node_modules/.bin:$PATH" CI=true NEXT_TELEMETRY_DISABLED=1 pnpm_config_strict_dep_builds=false
  # OpenNext and Next.js' file tracing need a node_modules directory, which Yarn's Plug'n'Play does not have.
  if [ "$manager" = berry ] && [ "$(cd "$(<"$STATE/root")" && yarn config get nodeLinker)" = pnp ]; then
    export YARN_NODE_LINKER=node-modules
  fi
}
