# shellcheck shell=bash disable=SC2154
# Sourced by ./dev: puts in place what a minimal Debian 12 lacks. Costs one dpkg-query when nothing
# is missing.

# The package names of tools/packages.txt, one a line.
wanted_packages() { sed -e 's/#.*//' -e 's/[[:space:]]*$//' -e '/^$/d' "$root/tools/packages.txt"; }

missing_packages() {
  local -a wanted
  mapfile -t wanted < <(wanted_packages)
  local -A installed=()
  local status name
  while read -r status name; do
    if [ "$status" = installed ]; then installed[$name]=1; fi
  done < <(dpkg-query -W -f='${db:Status-Status} ${Package}\n' "${wanted[@]}" 2>/dev/null)
  for name in "${wanted[@]}"; do
    # Node.js often comes from elsewhere, in one package with npm that Debian's would conflict with.
    if [ "$name" = npm ] && command -v npm >/dev/null; then continue; fi
    [ -n "${installed[$name]:-}" ] || echo "$name"
  done
}

as_root() {
  if [ "$(id -u)" = 0 ]; then
    "$@"
  elif [ -t 0 ]; then
    sudo "$@" # asks for a password on the terminal where it needs one
  else
    sudo -n "$@"
  fi
}

apt() {
  as_root env DEBIAN_FRONTEND=noninteractive apt-get -q -y -o Acquire::Retries=3 \
    -o DPkg::Lock::Timeout=300 -o Dpkg::Use-Pty=0 "$@"
}

check_can_install() { # MISSING...
  command -v apt-get >/dev/null ||
    die 1 "cannot install $*: there is no apt-get; drover is built on Debian 12, install what matches these packages yourself"
  as_root true 2>/dev/null ||
    die 1 "cannot install missing packages without root or a sudo that works here; as root run: apt-get install --no-install-recommends $*"
}

install_packages() { # MISSING...
  check_can_install "$@"
  say "installing with apt-get what is missing:"
  local name
  for name in "$@"; do
    sed -n "s/^\($name\) *# *\(.*\)/  \1: \2/p" "$root/tools/packages.txt" >&2
  done
  local log
  log=$(mktemp)
  # A failed update need not matter: some other source may be down, and the lists at hand may do.
  apt update >"$log" 2>&1 || say "apt-get update failed, going on with the package lists at hand"
  if ! apt install --no-install-recommends "$@" >>"$log" 2>&1; then
    grep -E '^(E|W|sudo):' "$log" | tail -n 8 >&2 || true
    die 1 "apt-get could not install the packages above (whole output: $log); mend that and run ./dev again"
  fi
  rm -f "$log"
}

ensure_packages() {
  command -v dpkg-query >/dev/null ||
    die 1 "drover is built on Debian 12, and this system has no dpkg; see tools/packages.txt for what the build needs"
  local -a missing
  mapfile -t missing < <(missing_packages)
  if [ ${#missing[@]} -gt 0 ]; then install_packages "${missing[@]}"; fi
}

# The packages of FOLDER/package-lock.json, in FOLDER/node_modules.
ensure_node_packages() { # FOLDER
  local folder=$root/$1 log
  # npm writes this file when all are in place.
  if [ "$folder/node_modules/.package-lock.json" -nt "$folder/package-lock.json" ]; then return; fi
  say "installing with npm what $1/package.json names"
  log=$(mktemp)
  if ! npm ci --no-audit --no-fund --prefix "$folder" >"$log" 2>&1; then
    tail -n 8 "$log" >&2
    die 1 "npm could not install the packages of $1 (whole output: $log); mend that and run ./dev again"
  fi
  touch "$folder/node_modules/.package-lock.json"
  rm -f "$log"
}
