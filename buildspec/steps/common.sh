# Sourced by every step. What one step finds out for the next ones lies in $STATE, a file for each fact.
set -euo pipefail
. "$STEPS/exit-codes.sh"
export CHECKOUT="$CODEBUILD_SRC_DIR/checkout" OUTPUT="$CODEBUILD_SRC_DIR/output"
mkdir -p "$STATE/background" "$STATE/cache"
touch "$STATE/timings"
step=$(basename "$0" .sh)
case $step in
  app-build) phase=build ;;
  build) phase=openNext ;; # around the app's own
  node) phase=install ;;
  prepare) phase=checkout ;;
  *) phase=$step ;;
esac

say() { echo "[$step] $*"; }
fail() {
  local status="EXIT_$1"
  say "$1: $2" >&2
  exit "${!status}"
}

# Milliseconds. The clock of bash itself is newer than bash 3.2.
now() {
  local micros=${EPOCHREALTIME:-}
  if [ -n "$micros" ]; then echo $((${micros/[.,]/} / 1000)); else node -p 'Date.now()'; fi
}
since() { echo $(($(now) - $1)); }
seconds() { echo "$(($1 / 1000)).$(($1 % 1000 / 100))"; }

# account PHASE: it took the time since the last call, but for what others noted meanwhile.
account() {
  LC_ALL=C awk -v phase="$1" -v ms="$(since "$started")" -v noted="$noted" \
    'NR > noted { ms -= $2 * 1000 } END { printf "%s %.1f\n", phase, (ms > 0 ? ms : 0) / 1000 }' "$STATE/timings" > "$STATE/timing"
  cat "$STATE/timing" >> "$STATE/timings"
  begin
}
begin() { started=$(now) noted=$(grep -c '' "$STATE/timings" || true); }
begin
leave() {
  account "$phase"
  say "$(<"$STATE/timing") s"
  if [ "$1" != 0 ]; then for job in "$STATE"/background/*; do stop "$(basename "$job")"; done; fi
}
trap 'leave $?' EXIT

# background NAME STEP ARGUMENTS: one of ours beside the others. Its file is there while it runs; what it says lies in $STATE/NAME.log.
background() {
  JOB="$STATE/background/$1" nohup node "$STEPS/$2.mjs" "${@:3}" > "$STATE/$1.log" 2>&1 < /dev/null &
  echo $! > "$STATE/background/$1"
}
running() { [ -f "$STATE/background/$1" ] && kill -0 "$(<"$STATE/background/$1")" 2> /dev/null; }
# What it started ends with its standard input.
stop() {
  if running "$1"; then kill "$(<"$STATE/background/$1")" 2> /dev/null || true; fi
  rm -f "$STATE/background/$1"
}
# await JOB TENTHS FILE: until it has ended or left the file, but no longer.
await() {
  local tenths
  for ((tenths = 0; tenths < $2; tenths++)); do
    if ! running "$1" || [ -f "$3" ]; then return; fi
    sleep 0.1
  done
}
# finish JOB TENTHS: waits for it, but no longer, and ends it then.
finish() {
  await "$1" "$2" "$STATE/never"
  stop "$1"
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

# cache_wait LAYER: waits until it is restored, at most two minutes, and puts it in place, once. The build goes on, whatever came of it.
cache_wait() {
  if [ -f "$STATE/cache/$1.placed" ]; then return; fi
  local began
  began=$(now)
  await restore 1200 "$STATE/cache/$1.json"
  node "$STEPS/cache-place.mjs" "$1" >&2 || true
  echo "restore $(seconds "$(since "$began")")" >> "$STATE/timings"
  note "$1" restoreSeconds "$(seconds "$(since "$began")")"
}
# saved: waits for the archives that are made for the next build, and shows what was said of them.
saved() {
  local job
  for job in save-store save; do finish $job 300; done
  cat "$STATE"/save*.log 2> /dev/null || true
}
result() { if [ -f "$STATE/cache/$1.placed" ]; then cat "$STATE/cache/$1.placed"; fi; }
# note LAYER FACT VALUE: for its account.
note() { echo "$*" >> "$STATE/cache/facts"; }

# get PACKAGE@VERSION: an npm package of ours, from the cache, or from get_beside, or now.
get() {
  local complete="$STATE/tools/$1/.complete" began
  cache_wait tools
  echo "$1" >> "$STATE/tools-used"
  if [ -f "$complete" ]; then return; fi
  began=$(now)
  await "${1##*/}" 6000 "$complete" # a slow registry is no faster the second time
  stop "${1##*/}"
  if [ ! -f "$complete" ]; then run node "$STEPS/tool.mjs" "$1" >&2 || return; fi
  note tools workSeconds "$(seconds "$(since "$began")")"
}
get_beside() {
  cache_wait tools
  if [ ! -f "$STATE/tools/$1/.complete" ]; then background "${1##*/}" tool "$1"; fi
}
tool_path() { echo "$STATE/tools/$1/node_modules"; }

use_node() { if [ -s "$STATE/node-path" ]; then PATH="$(<"$STATE/node-path"):$PATH"; fi; }
use_package_manager() {
  use_node
  local tool
  tool=$(<"$STATE/tool")
  if [ -n "$tool" ]; then PATH="$(tool_path "$tool")/.bin:$PATH"; fi
  if [ -s "$STATE/environment" ]; then eval "$(node "$STEPS/handed-environment.mjs")"; fi
  export CI=true NEXT_TELEMETRY_DISABLED=1 PATH
  # pnpm 11 and later fail over build scripts nobody approved, and over a pnpm the lockfile does not pin: like pnpm 10, only say so.
  # Nor is a restored node_modules to be installed anew, because it was made elsewhere.
  export pnpm_config_strict_dep_builds=false pnpm_config_pm_on_fail=ignore pnpm_config_verify_deps_before_run=false
  # OpenNext needs node_modules, Yarn's Plug'n'Play has none.
  if [ "$(<"$STATE/kind")" = berry ] && [ "$(yarn config get nodeLinker)" = pnp ]; then export YARN_NODE_LINKER=node-modules; fi
}
