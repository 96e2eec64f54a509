# Runs a step that meets the app's code: as the build user, and in an environment from which nothing leads to the build role's credentials.
# untrusted.sh STEP ARGUMENTS; what the step may know of what was handed over is its standard input.
set -euo pipefail
user=$(<"$STATE/build-user") work=$(<"$STATE/work") input="$STATE/for/$1"
if [ ! -f "$input" ]; then input=/dev/null; fi

# Where programs are and how the network is reached, what the pipeline says to every build, and settings of package managers, which an image may bring.
allowed='path|lang(uage)?|lc_.*|tz|term|(https?|all|no)_proxy|node_extra_ca_certs|ssl_cert_(file|dir)|(curl|requests)_ca_bundle|git_ssl_cainfo'
allowed="$allowed|(node|open_next)_version|function_architecture|(deployment|project)_id|commit_sha|repo_url|source_from|branch|root_directory|codebuild_build_i(d|mage)"
allowed="$allowed|(p?npm_config|yarn|corepack|bun_config)_.*"
# The local run leads git to its own server.
if [ "$1" = checkout.sh ]; then allowed="$allowed|git_config_.*"; fi
environment=()
# What the platform gives to every app, by these very names.
for list in ${!BUILD_ENVIRONMENT*}; do
  for name in ${!list}; do
    if [ -n "${!name+set}" ]; then environment+=("$name=${!name}"); fi
  done
done
shopt -s nocasematch
for name in $(compgen -e); do
  if [[ $name =~ ^($allowed)$ ]]; then environment+=("$name=${!name}"); fi
done
# An SDK need not look for a machine's credentials.
environment+=(CI=true AWS_EC2_METADATA_DISABLED=true "CODEBUILD_SRC_DIR=$work" "STEPS=$work/steps" "STATE=$work/state" "HOME=$work/home" "TMPDIR=$(<"$STATE/temporary")")

cd "$work"
program=bash
if [[ $1 = *.mjs ]]; then program=node; fi
set -- "$program" "$work/steps/$1" "${@:2}"
if [ -n "$user" ]; then set -- setpriv --reuid "${user%:*}" --regid "${user#*:}" --clear-groups --inh-caps=-all --no-new-privs "$@"; fi
exec env -i "${environment[@]}" "$@" < "$input"
