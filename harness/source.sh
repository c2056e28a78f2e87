#!/bin/bash
# SPDX-License-Identifier: GPL-2.0
#
# source.sh BASE: get the base kernel's source.  Prints two words: an
# identity (what the tree is keyed by) and the path of a directory, a
# tarball or a Debian package that holds it.
#
# source.sh BASE offered: list the revisions that the mirror has, oldest first.
# source.sh BASE plain REVISION: get what that revision was made from, Linux
# without Debian's patches; prints the tarball's path.
#
# source.sh BASE busybox ARCH: print the path of Debian's static busybox for
# one of Debian's architectures.
#
# KSRC=PATH uses the caller's own source instead of Debian's package, and
# REVISION=6.1.170-3 a certain revision of the package.  Without REVISION
# the newest one on the mirror is taken; it is recorded in the build
# directory, so that a clone does not move to another by itself.
. "$(dirname "$0")/lib.sh"

base=${1:?usage: source.sh BASE}
check_base "$base"

# The one table line of a base: its Debian release.
case $base in
6.1)	release=bookworm ;;
5.10)	release=bullseye ;;
esac
package=linux-source-$base
recorded=$BUILD/$base/revision

from_ksrc() {
	local src=$KSRC version
	[ -e "$src" ] || die "KSRC='$KSRC' does not exist"
	src=$(realpath -- "$src")
	if [ -d "$src" ]; then
		[ -f "$src/Makefile" ] && [ -f "$src/mm/mlock.c" ] ||
			die "KSRC='$KSRC' is no kernel source tree"
		[ ! -e "$src/.config" ] && [ ! -e "$src/include/config" ] ||
			die "KSRC='$KSRC' has been built in; clean it with: make mrproper"
		version=$(awk '/^(VERSION|PATCHLEVEL) =/ { printf "%s%s", s, $3; s = "." }' "$src/Makefile")
	else
		[ -f "$src" ] && [ -r "$src" ] || die "KSRC='$KSRC' is neither a directory nor a readable tarball"
		scratch
		tar -tf "$src" >"$SCRATCH/names" 2>/dev/null ||
			die "KSRC='$KSRC' is no tarball, or a damaged one"
		# the one on top is the shortest; mm/Makefile may come first
		name=$(grep -xE '(\./)?([^/]+/)?Makefile' "$SCRATCH/names" | awk '{ print length, $0 }' | sort -n | sed -n '1s/^[0-9]* //p') || :
		[ -n "$name" ] || die "KSRC='$KSRC' holds no kernel source tree"
		version=$(tar -xOf "$src" "$name" | awk '/^(VERSION|PATCHLEVEL) =/ { printf "%s%s", s, $3; s = "." }')
	fi
	[ "$version" = "$base" ] || die "KSRC='$KSRC' is Linux ${version:-of no known version}, not $base"
	step SOURCE "Linux $base from $KSRC"
	if [ -f "$src" ]; then
		printf '%s %s\n' "$(sha <"$src")" "$src"
	else
		# a directory has no cheap identity: look at it each time
		printf 'directory %s\n' "$src"
	fi
}

# A package client of our own: the mirror and keyring of the system's
# configuration, but private lists, so that neither root nor a change of
# the system is needed, whatever release the system itself runs.
foreign=
apt_dir() { echo "$CACHE/apt/$base${foreign:+-$foreign}"; }
apt_private() {
	local tool=$1 apt
	local -a own=()
	apt=$(apt_dir)
	shift
	[ -z "$foreign" ] || own=(-o "APT::Architecture=$foreign" -o "APT::Architectures=$foreign")
	mkdir -p "$apt/lists/partial" "$apt/archives/partial"
	: >>"$apt/status"
	"$tool" -o Dir::Etc::sourcelist="$apt/sources" -o Dir::Etc::sourceparts=/dev/null \
		-o Dir::State="$apt" -o Dir::State::Lists="$apt/lists" \
		-o Dir::State::status="$apt/status" -o Dir::Cache="$apt" \
		-o APT::Sandbox::User="$(id -un)" -o APT::Get::List-Cleanup=0 \
		"${own[@]}" -o Acquire::Languages=none -o Acquire::Retries=2 -o Acquire::http::Timeout=30 \
		-o Acquire::IndexTargets::deb::Contents-deb::DefaultEnabled=false "$@"
}

refresh_lists() {
	local apt keyring=/usr/share/keyrings/debian-archive-keyring.gpg
	local mirrors site kind
	apt=$(apt_dir)
	command -v apt-get >/dev/null 2>&1 ||
		die "$package is a Debian package and this system has no apt-get; use KSRC=/path/to/linux-$base"
	[ -r "$keyring" ] ||
		die "the Debian archive keyring is missing (package debian-archive-keyring); without it $package cannot be verified"
	# a day-old list is fresh enough unless it lacks what is wanted
	if [ "${1:-}" != now ] && [ -n "$(find "$apt/fresh" -mtime -1 2>/dev/null)" ]; then
		return
	fi
	# shellcheck disable=SC2016 # apt's own variables
	mirrors=$(apt-get indextargets --format '$(SITE) $(RELEASE)' 2>/dev/null | sort -u)
	# apt-get does not fail on a full disk, it hangs
	need_space "$CACHE" 300 "the package lists of Debian $release"
	mkdir -p "$apt" 2>/dev/null || die "cannot write in $CACHE$(disk_hint "$HOME")"
	for kind in main security; do
		# the archive of security updates is one of its own
		if [ $kind = security ]; then
			site=$(awk '$2 ~ /-security$/ && $1 ~ /debian/ { print $1; exit }' <<<"$mirrors")
		else
			site=$(awk '$2 !~ /-/ && $1 ~ /debian/ { print $1; exit }' <<<"$mirrors")
		fi
		[ -n "$site" ] || continue
		printf 'deb [signed-by=%s] %s %s main\n' "$keyring" "$site" \
			"$release$([ $kind = main ] || echo -security)"
	done >"$apt/sources"
	[ -s "$apt/sources" ] ||
		die "no Debian mirror in this system's package configuration; use KSRC=/path/to/linux-$base"
	step LISTS "package lists of Debian $release, into the cache"
	if apt_private apt-get update -q >"$apt/log" 2>&1 && ! grep -q '^[EW]:' "$apt/log"; then
		touch "$apt/fresh"
	else
		rm -f "$apt/fresh"
		return 1
	fi
}

# Why the lists could not be had.  A mirror drops old releases one day.
gone() { grep -qsE '404 |does not have a Release file' "$CACHE/apt/$base/log"; }
unreachable() { if gone; then echo "Debian $release is not on this system's mirror any more"; else echo "no network"; fi; }
remedy() { gone || echo "connect, or "; }

# is_whole DEB: is the package as it was when it came?  Read again only if the
# file is another than the one that was read last; it takes half a second.
is_whole() {
	local now
	now=$(stat -c '%n %d:%i %s %.Y %.Z' "$1" "$1.sha256" 2>/dev/null) || return 1
	[ "$now" != "$(cat "$BUILD/$base/whole" 2>/dev/null)" ] || return 0
	(cd "$CACHE/source" && sha256sum --quiet -c "$1.sha256") >/dev/null 2>&1 || return 1
	mkdir -p "$BUILD/$base"
	printf '%s\n' "$now" >"$BUILD/$base/whole"
}

from_debian() {
	local want=${REVISION:-} deb offered tmp
	scratch # and with it the traps: an interrupt must not leave half a download
	if [ -z "$want" ] && [ -r "$recorded" ]; then
		read -r want <"$recorded"
	fi
	if [ -n "$want" ]; then
		matches REVISION "$want" "${base//./\\.}\.[0-9]+-[0-9a-z.+~]+" "a revision of $package such as $base.170-3"
	else
		if refresh_lists; then
			want=$(apt_private apt-cache madison "$package" | awk -F' *[|] *' '{ print $2 }' | sort -Vu | tail -n 1)
			[ -n "$want" ] ||
				die "$package is not on this system's mirror any more; use KSRC=/path/to/linux-$base"
		else
			want=$(cd "$CACHE/source" 2>/dev/null && printf '%s\n' "${package}"_*.deb | sort -V | tail -n 1) || :
			want=${want#"${package}"_}
			want=${want%_all.deb}
			[ -n "$want" ] && [ "$want" != '*.deb' ] ||
				die "$(unreachable), and no $package in the cache: $(remedy)use KSRC=/path/to/linux-$base"
			step OFFLINE "$(unreachable); taking $want from the cache"
		fi
	fi

	deb=$CACHE/source/${package}_${want}_all.deb
	if ! is_whole "$deb"; then
		rm -f "$deb" "$deb.sha256"
		need_space "$CACHE" 300 "the download of $package"
		refresh_lists || die "$(unreachable), and $package $want is not in the cache: $(remedy)use KSRC=/path/to/linux-$base"
		offered=$(apt_private apt-cache madison "$package" | awk -F' *[|] *' '{ print $2 }' | sort -Vu)
		if ! grep -qxF "$want" <<<"$offered"; then
			refresh_lists now || :
			offered=$(apt_private apt-cache madison "$package" | awk -F' *[|] *' '{ print $2 }' | sort -Vu)
			grep -qxF "$want" <<<"$offered" ||
				die "$package $want is not on the mirror; it offers: $(xargs <<<"$offered") (the recorded revision is in build/$base/revision)"
		fi
		step DOWNLOAD "$package $want"
		mkdir -p "$CACHE/source"
		tmp=$(mktemp -d "$CACHE/source/partial.XXXXXX")
		# shellcheck disable=SC2064
		trap "rm -rf '$tmp'; [ -z '$SCRATCH' ] || rm -rf '$SCRATCH'" EXIT
		# the client checks the package against the signed lists
		(cd "$tmp" && apt_private apt-get download "$package=$want") >"$tmp/log" 2>&1 || {
			grep -E '^[EW]:' "$tmp/log" | head -n 2 >&2 || :
			die "could not download $package $want: is there a network?$(disk_hint "$CACHE")"
		}
		mv "$tmp/$(cd "$tmp" && ls -- *.deb)" "$deb.new" || die "could not keep the download$(disk_hint "$CACHE")"
		mv -f "$deb.new" "$deb"
		(cd "$CACHE/source" && sha256sum "${deb##*/}" >"$deb.sha256")
		rm -rf "$tmp"
	fi
	mkdir -p "$BUILD/$base"
	if [ ! -r "$recorded" ] || [ "$(cat "$recorded")" != "$want" ]; then
		printf '%s\n' "$want" >"$recorded"
	fi
	step SOURCE "Debian's $package $want"
	printf '%s %s\n' "$(cut -d' ' -f1 "$deb.sha256")" "$deb"
}

# Source packages keep the two apart.  Only a test wants this one, so it has
# lists of its own, and no version but those that the mirror has.
plain() {
	local want=$1 apt=$CACHE/apt/$base tmp tarball=$CACHE/source/linux_${1%-*}.orig.tar.xz
	if [ ! -f "$tarball" ]; then
		need_space "$CACHE" 400 "the download of Linux ${want%-*}"
		refresh_lists || die "no network, and Linux ${want%-*} is not in the cache"
		sed 's/^deb /deb-src /' "$apt/sources" >"$apt/sources-plain"
		step DOWNLOAD "Linux ${want%-*}, without Debian's patches"
		mkdir -p "$CACHE/source"
		scratch
		apt_private apt-get -o Dir::Etc::sourcelist="$apt/sources-plain" update -q >"$SCRATCH/log" 2>&1 &&
			(cd "$SCRATCH" && apt_private apt-get -o Dir::Etc::sourcelist="$apt/sources-plain" \
				source -q --download-only --tar-only "linux=$want") >>"$SCRATCH/log" 2>&1 &&
			cp "$SCRATCH/${tarball##*/}" "$tarball.new" && mv "$tarball.new" "$tarball" || {
			grep -E '^(E|Err):' "$SCRATCH/log" | head -n 2 >&2 || :
			die "could not get the source package of $want$(disk_hint "$CACHE")"
		}
	fi
	printf '%s\n' "$tarball"
}

busybox() {
	local kept tmp
	foreign=$1
	kept=$CACHE/busybox/$foreign
	if [ ! -x "$kept" ]; then
		refresh_lists || die "no network, and no shell for $foreign in the cache"
		step DOWNLOAD "busybox-static for $foreign"
		scratch
		mkdir -p "$CACHE/busybox"
		# the client checks the package against the signed lists
		(cd "$SCRATCH" && apt_private apt-get download busybox-static) >"$SCRATCH/log" 2>&1 ||
			die "could not download busybox-static for $foreign$(disk_hint "$CACHE")"
		tmp=$kept.$$
		dpkg-deb --fsys-tarfile "$SCRATCH"/busybox-static_*.deb | tar -xO ./bin/busybox >"$tmp" &&
			chmod 755 "$tmp" && mv -f "$tmp" "$kept" || die "could not keep busybox$(disk_hint "$CACHE")"
	fi
	printf '%s\n' "$kept"
}

lock "$base-source"
if [ "${2:-}" = plain ]; then
	plain "${3:?usage: source.sh BASE plain REVISION}"
	exit 0
fi
if [ "${2:-}" = busybox ]; then
	busybox "${3:?}"
	exit
fi
if [ "${2:-}" = offered ]; then
	refresh_lists || exit 0
	apt_private apt-cache madison "$package" | awk -F' *[|] *' '{ print $2 }' | sort -Vu
	exit 0
fi
if [ -n "${KSRC:-}" ]; then
	from_ksrc
else
	from_debian
fi
