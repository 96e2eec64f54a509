# What OpenNext runs as the build command: the app's own, in the app's environment. $1: of the app's configuration, as JSON.
. "$STEPS/common.sh"
node "$STEPS/app-build.mjs" "$1"
unset npm_config_audit npm_config_cpu
PATH=${PATH#"$STATE/bin:"}
use_package_manager
command=$(<"$STATE/build-command") kind=$(<"$STATE/kind")
sh -c "${command:-${kind/berry/yarn} run build}"
: > "$STATE/built"
