# Makes a place for what nobody here trusts, and finds a user to run it: facts `work` and `temporary`, directories, and `build-user`, as uid:gid;
# empty: it is ourselves. Beside that, fetches what was handed over.
. "$STEPS/common.sh"
umask 022
chmod 700 "$STATE"
mkdir -p "$STATE/for"
if [ -n "${HANDOVER_URL:-}" ]; then node "$STEPS/handover.mjs" & fi

# settle DIRECTORY TMPDIR: the build user owns what it writes to, and nothing around it.
settle() {
  local own=("$1/archives" "$1/checkout" "$1/home" "$1/output" "$1/state")
  mkdir -p "${own[@]}"
  chmod 755 "$1"
  cp -R "$STEPS" "$1"
  chmod -R go+rX "$1/steps"
  # Settings of the image, such as the platform's registry.
  cp "${HOME:-}"/.npmrc "${HOME:-}"/.yarnrc{,.yml} "${HOME:-}"/.bunfig.toml "$1/home" 2> /dev/null || true
  if [ "$EUID" = 0 ]; then chown -R "${user:-0}" "${own[@]}" ${user:+"$2"}; fi
  printf %s "$user" > "$STATE/build-user"
  printf %s "$1" > "$STATE/work"
  printf %s "$2" > "$STATE/temporary"
}
# The user is of use if it may write there, finds the same programs as we do, and can change none that we run.
works() { found=$(bash "$STEPS/programs.sh") && [ "$found" = "$(bash "$STEPS/untrusted.sh" programs.sh "$STEPS" "$STATE" 2> /dev/null)" ]; }

user=''
if [ "$EUID" = 0 ]; then
  # Between two commands CodeBuild keeps its environment there, and in it the way to the credentials.
  chmod go= /codebuild/output/tmp 2> /dev/null || true
  chmod go-w "$CODEBUILD_SRC_DIR"
  # All that runs as the build user is ended before the upload: it must be this build's alone. One without a name is: no other shell has our parent's number.
  users=$((2000000000 + PPID))
  users=$users:$users
  if id codebuild-user > /dev/null 2>&1 && [ -z "$(find /proc -maxdepth 1 -user codebuild-user 2> /dev/null)" ]; then
    users="$(id -u codebuild-user):$(id -g codebuild-user) $users"
  fi
  for user in $users; do
    # The source directory may lie in one that is closed to others.
    for directory in "$CODEBUILD_SRC_DIR/work" "$(mktemp -d)"; do
      settle "$directory" "$(mktemp -d)"
      if works; then break 2; fi
    done
    user=''
  done
  if [ -n "$user" ]; then
    say "The app's code runs as user ${user%:*}."
  else
    say "WARNING: the app's code runs as root, and could get at the build role's credentials. The image needs setpriv, and programs that others can run, but not replace."
  fi
fi
if [ -z "$user" ]; then settle "$CODEBUILD_SRC_DIR/work" "${TMPDIR:-/tmp}"; fi
wait
