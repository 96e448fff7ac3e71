# shellcheck shell=bash
# Shell functions that the scripts of this folder share. To be sourced.

# Says what is going on, on standard error.
say() { printf '%s: %s\n' "${0##*/}" "$*" >&2; }

# Ends with a message.
die() { say "$*"; exit "${status:-1}"; }

# Runs a command up to three times, quietly; shows its output only if it fails for good.
retried() {
    local try out
    for try in 1 2 3; do
        if out=$("$@" 2>&1); then return 0; fi
        [ "$try" = 3 ] || sleep $((try * 5))
    done
    printf '%s\n' "$out" >&2
    say "failed three times: $*"
    return 1
}

# Refreshes apt's lists once a run.
apt_update() {
    [ -z "${apt_updated-}" ] || return 0
    [ "$(id -u)" = 0 ] || { say "not root: the lists of apt are used as they are"; return 0; }
    say "refreshing the lists of apt"
    retried apt-get -qq update && apt_updated=yes
}

# Installs those of the Debian packages that are missing. Needs root only if one is.
need_packages() {
    local package missing=()
    for package; do
        [ "$(dpkg-query -W -f '${db:Status-Status}' "$package" 2>/dev/null)" = installed ] || missing+=("$package")
    done
    [ ${#missing[@]} -gt 0 ] || return 0
    [ "$(id -u)" = 0 ] || die "these packages are missing, and only root can install them: ${missing[*]}"
    apt_update
    say "installing ${missing[*]}"
    DEBIAN_FRONTEND=noninteractive retried apt-get -qq install -y --no-install-recommends "${missing[@]}"
}

# Where the guest's kernel and root trees are kept. Counterpeer looks in the same places.
guest_directory() {
    local own=${XDG_CACHE_HOME:-$HOME/.cache}/counterpeer/guest
    if [ -n "${COUNTERPEER_GUEST_DIR-}" ]; then printf '%s\n' "$COUNTERPEER_GUEST_DIR"
    elif [ -d "$own" ]; then printf '%s\n' "$own"
    else echo /var/cache/counterpeer/guest
    fi
}
