#!/bin/sh
# need.sh PROGRAM=PACKAGE[,PACKAGE]... - sees to it that programs are there.
#
# Installs the Debian packages of those that are missing, as root and where
# there is apt-get; names them in one sentence and fails otherwise. No service
# is started: Debian starts a web server on port 80 with its package, and an
# installation for a test must not open a port on this machine.
set -eu

missing=
for need in "$@"; do
    case $need in
        ?*=?*) ;;
        *) echo "usage: need.sh PROGRAM=PACKAGE[,PACKAGE]..." >&2; exit 2 ;;
    esac
    # Programs for root are in sbin, which is not in everyone's PATH.
    PATH=$PATH:/usr/local/sbin:/usr/sbin:/sbin command -v "${need%%=*}" >/dev/null ||
        missing="$missing $need"
done
[ -n "$missing" ] || exit 0

packages=
for need in $missing; do packages="$packages $(echo "${need#*=}" | tr , ' ')"; done
if [ "$(id -u)" != 0 ] || ! command -v apt-get >/dev/null; then
    programs=
    for need in $missing; do programs="$programs ${need%%=*}"; done
    echo "need.sh: missing:$programs; as root: apt-get install$packages" >&2
    exit 1
fi

# Debian's own switch: before a package starts a service it asks this script,
# and 101 forbids it. One that is there already is the machine's own decision:
# it comes back and ours goes, however this script ends, at the latest with its
# next run.
policy=/usr/sbin/policy-rc.d
saved=$policy.before-need
restore() {
    if grep -qs '^# made by need.sh$' "$policy"; then rm -f "$policy"; fi
    if [ -e "$saved" ]; then mv "$saved" "$policy"; fi
}
restore
trap restore EXIT
trap 'exit 129' HUP
trap 'exit 130' INT
trap 'exit 143' TERM
if [ -e "$policy" ]; then mv "$policy" "$saved"; fi
printf '#!/bin/sh\n# made by need.sh\nexit 101\n' >"$policy"
chmod 755 "$policy"

install() {
    # shellcheck disable=SC2086 # a list of words
    DEBIAN_FRONTEND=noninteractive apt-get install --yes --no-install-recommends \
        -o DPkg::Lock::Timeout=120 $packages
}
echo "need.sh: installing$packages" >&2
# The lists of packages may be missing or old: only then they are fetched.
install >&2 || { apt-get update >&2 && install >&2; }
