#!/usr/bin/env bash
# Builds Sluice and runs it in the foreground; the first command of the README.
#
#   gateway/run.sh [--data-dir DIR] [any other flag of sluice]
#   gateway/run.sh --demo     sends messages in by STOMP, takes them out by AMQP, and ends
#
# Installs the build packages that are missing where it may (root or sudo, Debian).
set -euo pipefail

root=$(cd "$(dirname "${BASH_SOURCE[0]}")/.." && pwd)
build=$root/build
sluice=$build/sluice

say() { printf '%s\n' "$*" >&2; }
die() { say "run.sh: $*"; exit 1; }

# Asks dpkg first, so that nothing is fetched when everything is there.
install_missing() {
    local missing=() package
    command -v dpkg-query >/dev/null ||
        { say "no dpkg here; if the build fails, it wants the likes of Debian's: $*"; return; }
    for package in "$@"; do
        dpkg-query -W -f='${Status}' "$package" 2>/dev/null | grep -q '^install ok installed$' ||
            missing+=("$package")
    done
    ((${#missing[@]} == 0)) && return
    local as_root=()
    if ((EUID != 0)); then
        command -v sudo >/dev/null || die "please install as root: apt-get install ${missing[*]}"
        as_root=(sudo)
    fi
    say "installing ${missing[*]}"
    { "${as_root[@]}" apt-get -q update &&
        "${as_root[@]}" env DEBIAN_FRONTEND=noninteractive \
            apt-get -q install -y --no-install-recommends "${missing[@]}"; } >&2 ||
        die "could not install; still missing: ${missing[*]}"
}

build_sluice() {
    local log
    log=$(mktemp)
    say "building in $build"
    if ! { cmake -G Ninja -S "$root" -B "$build" -DCMAKE_BUILD_TYPE=Release &&
        cmake --build "$build" --target sluice sluicectl; } >"$log" 2>&1; then
        cat "$log" >&2
        rm -f "$log"
        die "the build failed, see above"
    fi
    rm -f "$log"
}

# Passes the ready line on, with what to try next.
show_ready() {
    local line port
    IFS= read -r line || return 0
    echo "$line"
    [[ $line =~ amqp=[^\ ]*:([0-9]+) ]] || return 0
    port=${BASH_REMATCH[1]}
    say "Stop with Ctrl-C.  To try it, in another terminal (Debian: apt-get install amqp-tools):"
    say "  amqp-declare-queue --port=$port -q hello"
    say "  amqp-publish --port=$port -r hello -b 'hello, world'"
    say "  amqp-get --port=$port -q hello"
    say "or see messages cross from STOMP to AMQP: $root/gateway/run.sh --demo"
}

run_in_foreground() {
    local data=${XDG_STATE_HOME:-$HOME/.local/state}/sluice
    exec "$sluice" --data-dir "$data" "$@" > >(show_ready)
}

# A port that nobody answers on, below those that the system gives to clients.
free_port() {
    local port=$1
    while (exec 3<>"/dev/tcp/127.0.0.1/$port") 2>/dev/null; do port=$((port + 1)); done
    echo "$port"
}

# One STOMP frame from descriptor 3: its lines up to the NUL.
read_frame() {
    local frame
    IFS= read -r -t 5 -d '' frame <&3 || die "no answer over STOMP"
    while [[ $frame == $'\n'* ]]; do frame=${frame#$'\n'}; done
    printf '%s' "$frame"
}

demo() {
    local amqp stomp body frame status
    demo_dir=$(mktemp -d) gateway_pid=
    trap 'kill "$gateway_pid" 2>/dev/null || true; rm -rf "$demo_dir"' EXIT
    amqp=$(free_port 21672)
    stomp=$(free_port "$((amqp + 1))")

    say "\$ sluice --bind 127.0.0.1 --amqp-port $amqp --stomp-port $stomp"
    mkfifo "$demo_dir/ready"
    "$sluice" --bind 127.0.0.1 --amqp-port "$amqp" --stomp-port "$stomp" --workers 1 \
        --data-dir "$demo_dir/data" --log-level warn >"$demo_dir/ready" &
    gateway_pid=$!
    local ready
    read -r -t 10 ready <"$demo_dir/ready" || die "the gateway did not start"
    echo "$ready"

    exec 3<>"/dev/tcp/127.0.0.1/$stomp"
    printf 'CONNECT\naccept-version:1.2\nhost:/\nlogin:guest\npasscode:guest\n\n\0' >&3
    frame=$(read_frame)
    echo "STOMP <- ${frame%%$'\n'*}"
    for body in "one, sent by STOMP" "two, the same" "three, and done"; do
        echo "STOMP -> SEND /queue/demo: $body"
        printf 'SEND\ndestination:/queue/demo\ncontent-type:text/plain\nreceipt:r\n\n%s\0' \
            "$body" >&3
        frame=$(read_frame)
        echo "STOMP <- ${frame%%$'\n'*}"
    done
    printf 'DISCONNECT\n\n\0' >&3
    exec 3>&-
    for _ in 1 2 3; do
        body=$(amqp-get --server=127.0.0.1 --port="$amqp" -q demo) ||
            die "nothing came out over AMQP"
        echo "AMQP  <- basic.get demo: $body"
    done

    echo "stopping with SIGTERM"
    kill -TERM "$gateway_pid"
    status=0
    wait "$gateway_pid" || status=$?
    ((status == 0)) || die "the gateway ended with status $status"
    echo "done: three messages in by STOMP, out by AMQP"
}

packages=(gcc libc6-dev cmake ninja-build libinih-dev libxxhash-dev libhttp-parser-dev libjansson-dev libssl-dev libpcre2-dev libsystemd-dev)
if [[ ${1:-} == --demo ]]; then
    install_missing "${packages[@]}" amqp-tools
    build_sluice
    demo
else
    install_missing "${packages[@]}"
    build_sluice
    run_in_foreground "$@"
fi
