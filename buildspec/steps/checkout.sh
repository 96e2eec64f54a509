# Fetches exactly one commit into $CHECKOUT, where restored caches may already lie.
. "$STEPS/common.sh"

# git asks nobody, reads no configuration of the machine and speaks nothing but https, redirects included.
export GIT_TERMINAL_PROMPT=0 GIT_CONFIG_NOSYSTEM=1 GIT_CONFIG_GLOBAL=/dev/null GIT_ALLOW_PROTOCOL=https GIT_LFS_SKIP_SMUDGE=1
git() {
  command git -C "$CHECKOUT" -c core.hooksPath=/dev/null -c http.lowSpeedLimit=1000 -c http.lowSpeedTime=60 "$@"
}
fetch() {
  git fetch --quiet --no-tags --no-recurse-submodules --depth "$1" -- "$REPO_URL" "$2"
}

mkdir -p "$CHECKOUT"
format=sha1
[ ${#COMMIT_SHA} = 40 ] || format=sha256
git init --quiet --template= --object-format="$format"

# Hosts that serve only the tips of branches: look for the commit in the branch, ever deeper.
if ! fetch 1 "$COMMIT_SHA"; then
  tip=$(git ls-remote --quiet -- "$REPO_URL" "refs/heads/$BRANCH") ||
    fail CHECKOUT_FAILED "$REPO_URL cannot be read. Check the URL, and that it can be cloned without a password."
  [ -n "$tip" ] || fail COMMIT_NOT_FOUND "The repository has neither commit $COMMIT_SHA nor branch $BRANCH. Push them."
  for depth in 50 500 2147483647; do
    fetch "$depth" "refs/heads/$BRANCH" || fail CHECKOUT_FAILED "Fetching branch $BRANCH of $REPO_URL failed. Try again."
    if git cat-file -e "$COMMIT_SHA^{commit}" 2>/dev/null; then break; fi
  done
fi
git cat-file -e "$COMMIT_SHA^{commit}" || fail COMMIT_NOT_FOUND "Branch $BRANCH does not contain commit $COMMIT_SHA. Push it."
git checkout --quiet --force --detach "$COMMIT_SHA" || fail CHECKOUT_FAILED "Commit $COMMIT_SHA cannot be checked out."
head=$(git rev-parse HEAD)
[ "$head" = "$COMMIT_SHA" ] || fail COMMIT_NOT_FOUND "$COMMIT_SHA is not a commit: it leads to $head."

if [ -f "$CHECKOUT/.gitmodules" ]; then say 'Warning: submodules are not fetched.'; fi
if git grep -q 'filter=lfs' -- '*.gitattributes'; then say 'Warning: Git LFS files are not fetched, their pointers are built instead.'; fi

root=$(cd "$CHECKOUT" && pwd -P)
app=$(cd "$root/$ROOT_DIRECTORY" 2>/dev/null && pwd -P) ||
  fail ROOT_DIRECTORY_NOT_FOUND "There is no directory $ROOT_DIRECTORY in commit $COMMIT_SHA. Check the project's root directory setting."
case "$app/" in
  "$root"/*) ;;
  *) fail ROOT_DIRECTORY_NOT_FOUND "The root directory $ROOT_DIRECTORY leads out of the repository." ;;
esac
printf %s "$root" > "$STATE/checkout"
printf %s "$app" > "$STATE/app"
