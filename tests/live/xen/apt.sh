# Sourced by `build`, `debian`, `debug-kernel` and `xenalyze`: Debian's packages of every architecture we need, without root and without touching the
# machine's own apt lists. `work` is the folder everything is kept in.

# The mirror the machine uses for a suite, by deb822 or one-line source files; else Debian's own.
mirror_of() {
  local suite=$1 default=$2 found
  found=$(cat /etc/apt/sources.list.d/*.sources 2>/dev/null | awk -v suite="$suite" 'BEGIN { RS = "" } {
    uri = ""; hit = 0
    n = split($0, lines, "\n")
    for (i = 1; i <= n; i++) {
      if (lines[i] ~ /^URIs:/) { split(lines[i], f, /[ \t]+/); uri = f[2] }
      if (lines[i] ~ /^Suites:/ && (" " lines[i] " ") ~ ("[ \t]" suite "[ \t]")) hit = 1
    }
    if (hit && uri != "") { print uri; exit }
  }')
  [ -n "$found" ] || found=$(cat /etc/apt/sources.list /etc/apt/sources.list.d/*.list 2>/dev/null |
    sed -nE "s#^deb +(\[[^]]*\] +)?([^ ]+) +$suite +.*#\2#p" | head -n 1)
  echo "${found:-$default}"
}

apt() { # COMMAND ARGUMENTS: one of apt's programs on lists of our own
  local command=$1
  shift
  "$command" -o Dir::Etc::SourceList="$work/apt/sources.list" -o Dir::Etc::SourceParts=- -o Dir::State="$work/apt/state" \
    -o Dir::State::Status="$work/apt/status" -o Dir::Cache="$work/apt/cache" -o APT::Architecture=amd64 \
    -o APT::Architectures::=amd64 -o APT::Architectures::=arm64 -o APT::Sandbox::User=root "$@"
}

apt_lists() {
  local main security
  main=$(mirror_of bookworm http://deb.debian.org/debian)
  security=$(mirror_of bookworm-security http://deb.debian.org/debian-security)
  mkdir -p apt/state/lists/partial apt/cache/archives/partial
  : >apt/status
  for kind in deb deb-src; do
    echo "$kind [signed-by=/usr/share/keyrings/debian-archive-keyring.gpg] $main bookworm main"
    echo "$kind [signed-by=/usr/share/keyrings/debian-archive-keyring.gpg] $security bookworm-security main"
  done >apt/sources.list
  echo "deb [signed-by=/usr/share/keyrings/debian-archive-keyring.gpg] $main bookworm-backports main" >>apt/sources.list
  apt apt-get update
}

# The newest package whose name begins and ends so.
newest() { # PATTERN
  apt apt-cache pkgnames "${1%%\**}" | grep -E "^${1/\*/.*}\$" | sort -V | tail -n 1
}

fetch() { # PACKAGE
  apt apt-get download "$1:arm64" >&2
  rm -rf tree
  dpkg-deb -x "${1}"_*_arm64.deb tree
  rm "${1}"_*_arm64.deb
}
