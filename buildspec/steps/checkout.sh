# Fetches one commit into $CHECKOUT, where caches may already lie.
. "$STEPS/common.sh"
cat > "$STATE/handover"
if [ -s "$STATE/handover" ]; then background restore cache-restore tools dependencies next; fi

# git asks nobody, reads nothing of the machine's, runs nothing of anybody's, and speaks only https, with the one host that is asked for.
export GIT_TERMINAL_PROMPT=0 GIT_CONFIG_NOSYSTEM=1 GIT_CONFIG_GLOBAL=/dev/null GIT_ATTR_NOSYSTEM=1 GIT_ALLOW_PROTOCOL=https GIT_LFS_SKIP_SMUDGE=1
git() {
  command git -C "$CHECKOUT" -c core.hooksPath=/dev/null -c core.fsmonitor=false -c credential.helper= -c http.followRedirects=false \
    -c http.curloptResolve="$addresses" -c http.lowSpeedLimit=1000 -c http.lowSpeedTime=60 "$@"
}
fetch() { git fetch -q --no-tags --no-recurse-submodules --depth "$1" -- "$url" "$2"; }
have() { git cat-file -e "$COMMIT_SHA^{commit}" 2> /dev/null; }
# Hosts redirect from the old name of a repository. git does not follow, because it could be led anywhere; to the same host is all right.
redirected() {
  local host=${url#https://} location
  host="https://${host%%/*}"
  GIT_TRACE_CURL="$STATE/trace" GIT_TRACE_CURL_NO_DATA=1 git ls-remote -- "$url" HEAD > /dev/null 2>&1 || true
  location=$(sed -n 's|.* header: [Ll]ocation: *\(.*\)/info/refs?service=git-upload-pack.*|\1|p' "$STATE/trace" 2> /dev/null) || true
  rm -f "$STATE/trace"
  case $location in
    '') return 1 ;;
    "$host"/*) url=$location ;;
    /*) url=$host$location ;;
    *) fail CHECKOUT_FAILED "$host redirects to $location. Ask for a build from there." ;;
  esac
}

addresses='' url=$REPO_URL
mkdir -p "$CHECKOUT"
if [ ${#COMMIT_SHA} = 40 ]; then format=sha1; else format=sha256; fi
git init -q --template= --object-format=$format
# What needs credentials, the trusted side has fetched, from wherever its owner allows.
if [ -n "${SOURCE_FROM:-}" ]; then node "$STEPS/source.mjs"; fi
# The local run leads git to a server of its own.
if ! have && [ "$(git ls-remote --get-url -- "$url")" = "$url" ]; then
  # A proxy looks for the host by itself, and decides where one may go; nothing goes past it.
  if [ -n "${https_proxy:-${HTTPS_PROXY:-${all_proxy:-${ALL_PROXY:-}}}}" ]; then unset no_proxy NO_PROXY; else addresses=$(node "$STEPS/addresses.mjs"); fi
fi
# Some hosts give no commit by its SHA: look for it in the branch, ever deeper.
if ! have && ! fetch 1 "$COMMIT_SHA" && ! { redirected && fetch 1 "$COMMIT_SHA"; }; then
  tip=$(git ls-remote -- "$url" "refs/heads/$BRANCH") || fail CHECKOUT_FAILED "$REPO_URL cannot be read without a password. Check the URL."
  [ -n "$tip" ] || fail COMMIT_NOT_FOUND "The repository has neither commit $COMMIT_SHA nor branch $BRANCH. Push them."
  for depth in 50 500 2147483647; do
    have || fetch $depth "refs/heads/$BRANCH" || fail CHECKOUT_FAILED "Branch $BRANCH cannot be fetched. Try again."
  done
fi
have || fail COMMIT_NOT_FOUND "There is no commit $COMMIT_SHA in branch $BRANCH. Push it."
git checkout -qf --detach "$COMMIT_SHA" || fail CHECKOUT_FAILED "Commit $COMMIT_SHA cannot be checked out."
[ "$(git rev-parse HEAD)" = "$COMMIT_SHA" ] || fail COMMIT_NOT_FOUND "$COMMIT_SHA is not the SHA of a commit."
if git grep -qe 'filter=lfs' --or -e '^\[submodule' -- '*.gitattributes' .gitmodules; then say 'Warning: neither submodules nor Git LFS files are fetched.'; fi

top=$(cd "$CHECKOUT" && pwd -P)
app=$(cd "$top/${ROOT_DIRECTORY:-}" 2> /dev/null && pwd -P) || fail ROOT_DIRECTORY_NOT_FOUND "There is no directory $ROOT_DIRECTORY in this commit."
case "$app/" in
  "$top"/*) ;;
  *) fail ROOT_DIRECTORY_NOT_FOUND "$ROOT_DIRECTORY leads out of the repository." ;;
esac
printf %s "$top" > "$STATE/top"
printf %s "$app" > "$STATE/app"
