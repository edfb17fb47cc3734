#!/bin/bash
# Installs what the tests need, builds three times, runs everything, and counts.
#
#   tests/run.sh            the whole, a quarter of an hour on two cores
#   tests/run.sh --long     ten minutes per fuzz target, more rounds of the seeded tests, and all
#                           clients of interop/, whose packages it installs
#
# Two lanes of parts run side by side, so that waiting tests share the machine with compilers.
# Each part writes build/test-logs/PART.log; a failed one is shown, and what failed once more at the
# end, where a log that was cut still has it.  The last line is the count.  Builds and scratch files
# take less than 2 GiB: of the disk, or where it has too little room, of memory while the run lasts.
set -u -o pipefail
cd "$(dirname "${BASH_SOURCE[0]}")/.." || exit 1

readonly PYTHON=/usr/bin/python3 # Debian's: another one may come first and miss its packages
readonly LOGS=build/test-logs
readonly PACKAGES=(gcc libc6-dev clang libclang-rt-14-dev llvm-14 clang-tidy clang-format cppcheck cmake
    ninja-build libcunit1-dev libinih-dev libxxhash-dev libhttp-parser-dev
    libjansson-dev libssl-dev libpcre2-dev libsystemd-dev openssl amqp-tools python3 python3-pika
    python3-stomp python3-cryptography python3-celery python3-kombu python3-aio-pika
    ruby-bunny php-cli php-amqplib
    util-linux mount e2fsprogs procps)

fuzz_seconds=4
rounds=5000
sanitizer_rounds=2000
part_seconds=900 # a part that hangs; none takes a tenth of it on a quiet machine
room_mib=4096    # twice what the default run takes of a disk
memory=          # the directory that stands in for the disk
long=()

main() {
    case "${1-}" in
    '') ;;
    --long)
        fuzz_seconds=600
        rounds=200000
        sanitizer_rounds=50000
        part_seconds=7200
        room_mib=32768
        long=(--long)
        ;;
    *)
        echo "usage: tests/run.sh [--long]" >&2
        exit 2
        ;;
    esac
    rm -f "$LOGS"/*.pid # a killed run's: others may have these numbers by now
    trap stop_all EXIT
    trap 'exit 1' INT TERM
    export PYTHONDONTWRITEBYTECODE=1
    export UBSAN_OPTIONS=print_stacktrace=1
    export TSAN_OPTIONS=halt_on_error=1:second_deadlock_stack=1
    # A small quarantine, so that a long suite fits beside a build.
    export ASAN_OPTIONS=quarantine_size_mb=32:detect_leaks=1:abort_on_error=0
    choose_place
    rm -rf "$LOGS" && mkdir -p "$LOGS" || exit 1

    install_packages
    install_clients
    part build-release build release gcc Release all || finish
    lane_of_release &
    lane_of_sanitizers &
    wait
    finish
}

# --- what runs

lane_of_release() {
    local sluice=build/release/sluice
    part unit "$PYTHON" tests/unit/run.py build/release/unit
    part transcript "$PYTHON" tests/unit/run.py build/release/transcript
    part behaviour "$PYTHON" tests/behaviour/run.py --sluice $sluice
    part behaviour-3-workers "$PYTHON" tests/behaviour/run.py --sluice $sluice --workers 3
    part bad-input "$PYTHON" tests/system/bad_input/run.py --sluice $sluice --rounds $rounds
    part process "$PYTHON" tests/system/process/run.py --sluice $sluice
    part sim simulate build/release "${long[@]}"
    part fault fault build/release
    part durability "$PYTHON" tests/system/durability/run.py --sluice $sluice "${long[@]}"
    part disk "$PYTHON" tests/system/disk/run.py --sluice $sluice
    part admin "$PYTHON" tests/system/admin/run.py --sluice $sluice
    part identity "$PYTHON" tests/system/identity/run.py --sluice $sluice
    part tls "$PYTHON" tests/system/tls/run.py --sluice $sluice --workers 2
    part behaviour-tls "$PYTHON" tests/behaviour/run.py --sluice $sluice --tls
    part interop "$PYTHON" interop/run.py --sluice $sluice "${long[@]}"
    part bench "$PYTHON" tests/bench/run.py --sluice $sluice --smoke
    part demo demo
    part build-tsan build tsan clang RelWithDebInfo "sluice $(threaded_tests)" \
        -DSANITIZE=thread -DSLUICE_CHECKS=ON
    part behaviour-tsan "$PYTHON" tests/behaviour/run.py --sluice build/tsan/sluice \
        --sanitized --workers 4
    # shellcheck disable=SC2046 # one word per program
    part unit-tsan "$PYTHON" tests/unit/run.py build/tsan/unit $(threaded_tests)
}

lane_of_sanitizers() {
    local sluice=build/asan/sluice
    part build-asan build asan clang RelWithDebInfo all \
        -DSANITIZE=address -DFUZZ=ON -DSLUICE_CHECKS=ON
    part unit-asan "$PYTHON" tests/unit/run.py build/asan/unit
    part transcript-asan "$PYTHON" tests/unit/run.py build/asan/transcript
    part sim-asan simulate build/asan
    part behaviour-asan "$PYTHON" tests/behaviour/run.py --sluice $sluice --sanitized --workers 2
    part bad-input-asan "$PYTHON" tests/system/bad_input/run.py --sluice $sluice --sanitized \
        --workers 2 --rounds $sanitizer_rounds
    part tls-asan "$PYTHON" tests/system/tls/run.py --sluice $sluice --sanitized
    part admin-asan "$PYTHON" tests/system/admin/run.py --sluice $sluice --sanitized
    part identity-asan "$PYTHON" tests/system/identity/run.py --sluice $sluice --sanitized
    part fuzz "$PYTHON" tests/fuzz/run.py build/asan/fuzz --seconds $fuzz_seconds
    part tidy "$PYTHON" tests/tidy/run.py --build build/asan "${long[@]}"
}

# simulate BUILD OPTION...: the simulator says itself which seed broke a promise.
simulate() {
    "$1"/sim/sim "${@:2}" && echo "1 passed, 0 failed, 0 skipped"
}

fault() {
    "$1"/fault/fault && echo "1 passed, 0 failed, 0 skipped"
}

# The unit tests that start threads: what the thread sanitizer can judge.
threaded_tests() {
    grep -lrE 'pthread_create|crew_sail' tests/unit |
        sed -E 's|tests/unit/(.*)/test_(.*)\.c|unit_\1_\2|; s|/|_|g' | sort | xargs
}

# The first command of the README, with its own build.
demo() {
    ./gateway/run.sh --demo && echo "1 passed, 0 failed, 0 skipped"
}

# build NAME COMPILER TYPE TARGETS OPTION...: the closing count is one build.
build() {
    local name=$1 compiler=$2 type=$3 targets=$4
    shift 4
    CC=$compiler cmake -G Ninja -S . -B "build/$name" -DCMAKE_BUILD_TYPE="$type" -DTESTS=ON \
        "$@" >"$LOGS/cmake-$name.log" 2>&1 || { cat "$LOGS/cmake-$name.log"; return 1; }
    # shellcheck disable=SC2086 # one word per target
    ninja --quiet -C "build/$name" -j2 $targets || return 1
    echo "1 passed, 0 failed, 0 skipped"
}

# --- where it runs

# A full disk would fail tests that are not about it: builds and scratch files then go to memory.
choose_place() {
    local place
    for place in /dev/shm/sluice-run-[0-9]*; do # what a killed run left
        [ -d "$place" ] && [ -O "$place" ] && ! [ -d "/proc/${place##*-}" ] && rm -rf "$place"
    done
    if [ ! -e build ] && [[ "$(readlink build)" == /dev/shm/sluice-run-* ]]; then rm build; fi
    if has_room . && has_room "${TMPDIR:-/tmp}"; then return; fi
    if ! [ -w /dev/shm ] || ! has_room /dev/shm || ! memory_has_room; then
        echo "less than $room_mib MiB free on the disk, and no memory to stand in for it"
        return
    fi
    memory=/dev/shm/sluice-run-$$
    mkdir -p "$memory/tmp" "$memory/build" || exit 1
    if ! runs_programs "$memory/tmp"; then
        rm -rf "$memory"
        memory=
        echo "less than $room_mib MiB free on the disk, and no program may run in /dev/shm"
        return
    fi
    export TMPDIR=$memory/tmp
    [ -e build ] || ln -s "$memory/build" build
    echo "less than $room_mib MiB free on the disk: builds and scratch files go to $memory"
}

has_room() {
    [ "$(df --output=avail -BM "$1" 2>/dev/null | tail -1 | tr -cd 0-9)" -ge $room_mib ] 2>/dev/null
}

# Twice the room: what runs wants memory too.
memory_has_room() {
    [ "$(awk '/^MemAvailable/ { print int($2 / 1024) }' /proc/meminfo)" -ge $((2 * room_mib)) ]
}

# Containers often forbid that in their shared memory.
runs_programs() {
    cp "$(type -P true)" "$1/probe" && "$1/probe" 2>/dev/null && rm "$1/probe"
}

# Memory is given back, and the logs stay.
leave_place() {
    [ -n "$memory" ] || return
    if [ "$(readlink build)" = "$memory/build" ]; then
        rm build && mkdir build && cp -r "$memory/build/test-logs" build/ 2>/dev/null
    fi
    rm -rf "$memory"
}

# --- how a part runs

# part NAME COMMAND...: runs it in a process group of its own, prints one line, keeps the log.
part() {
    local name=$1 log=$LOGS/$1.log began=$SECONDS status pid
    shift
    if [ "$(type -t "$1")" = function ]; then
        "$@" >"$log" 2>&1
        status=$?
    else
        setsid timeout --kill-after=10 "$part_seconds" "$@" >"$log" 2>&1 &
        pid=$!
        echo "$pid" >"$LOGS/$name.pid"
        wait "$pid"
        status=$?
        rm -f "$LOGS/$name.pid"
    fi
    local count
    count=$(grep -E '^[0-9]+ passed, [0-9]+ failed, [0-9]+ skipped$' "$log" | tail -1)
    if [ -z "$count" ]; then
        count="0 passed, 1 failed, 0 skipped"
    elif [ $status -ne 0 ] && [[ $count == *" 0 failed,"* ]]; then
        count=${count/ 0 failed/ 1 failed}
    fi
    echo "$count" >"$LOGS/$name.count"
    local report
    report="$name: $count ($((SECONDS - began)) s)"
    if [[ $count != *" 0 failed,"* ]]; then
        report+=$'\n'"    --- $log, status $status"$'\n'
        report+=$(failures "$log" 60 | head -300 | sed 's/^/    /')
        report+=$'\n'"    --- its end"$'\n'
        report+=$(grep -vE '^[0-9]+ passed, ' "$log" | tail -60 | sed 's/^/    /')
    elif [[ $count != *" 0 skipped" ]]; then
        report+=$'\n'$(grep 'skipped' "$log" | grep -vE '[0-9]+ skipped' | sed 's/^/    /')
    fi
    echo "$report"
    [[ $count == *" 0 failed,"* ]]
}

# failures LOG LINES: every line that says FAILED, with so many of the last lines that belong to it.
failures() {
    awk -v most="$2" '
        function tell(i) {
            for (i = n > most ? n - most : 0; i < n; i++) print said[i]
            is_failure = n = 0
        }
        /FAILED/ && !/^    / { tell(); print; is_failure = 1; next }
        is_failure && /^    / { said[n++] = $0; next }
        { tell() }
        END { tell() }' "$1"
}

# Adds up, tells again what failed, prints the last line, and ends the run.
finish() {
    local passed=0 failed=0 skipped=0 p f s count
    end_parts
    for count in "$LOGS"/*.count; do
        [ -e "$count" ] || continue
        read -r p _ f _ s _ <"$count"
        passed=$((passed + p)) failed=$((failed + ${f%,})) skipped=$((skipped + ${s%,}))
        [ "${f%,}" -eq 0 ] || tell_again "$(basename "$count" .count)"
    done
    echo "$passed passed, $failed failed, $skipped skipped"
    if [ $failed -ne 0 ] || [ $passed -eq 0 ]; then exit 1; fi
    exit 0
}

# A part that says of no test that it failed has told the reason last.
tell_again() {
    local log=$LOGS/$1.log what
    what=$(failures "$log" 10 | head -100)
    echo "FAILED in $1:"
    echo "${what:-$(tail -11 "$log")}" | sed 's/^/    /'
}

stop_all() {
    trap - EXIT
    end_parts
    leave_place
}

# Ends what still runs; gateways die with the script that started them.
end_parts() {
    local file
    for file in "$LOGS"/*.pid; do
        [ -e "$file" ] && kill -TERM -- "-$(cat "$file")" 2>/dev/null
    done
    jobs -p | xargs -r kill 2>/dev/null
    wait 2>/dev/null
}

# --- what must be installed

install_packages() {
    local missing=() package
    for package in "${PACKAGES[@]}"; do
        is_installed "$package" || missing+=("$package")
    done
    # Any Node from release 18 on will do; Debian 12 has that one.
    command -v node >/dev/null || missing+=(nodejs)
    command -v npm >/dev/null || missing+=(npm)
    [ ${#missing[@]} -eq 0 ] && return
    echo "installing: ${missing[*]}"
    local sudo=()
    if [ "$(id -u)" -ne 0 ]; then
        command -v sudo >/dev/null || give_up "not root, and no sudo" "${missing[*]}"
        sudo=(sudo)
    fi
    command -v apt-get >/dev/null || give_up "no apt-get here" "${missing[*]}"
    {
        "${sudo[@]}" apt-get update &&
            "${sudo[@]}" env DEBIAN_FRONTEND=noninteractive \
                apt-get install -y --no-install-recommends "${missing[@]}"
    } >"$LOGS/apt.log" 2>&1 || { tail -20 "$LOGS/apt.log"; give_up "apt-get failed" "${missing[*]}"; }
}

is_installed() {
    [ "$(dpkg-query -W -f '${db:Status-Status}' "$1" 2>/dev/null)" = installed ]
}

# The npm clients; without them their checks are skipped, and say so.
install_clients() {
    local stamp=interop/node_modules/.package-lock.json
    [ $stamp -nt interop/package-lock.json ] && return
    (cd interop && npm ci --no-audit --no-fund) >"$LOGS/npm.log" 2>&1 && touch $stamp && return
    rm -rf interop/node_modules
    echo "npm ci failed in interop/:" && tail -5 "$LOGS/npm.log"
}

give_up() {
    echo "cannot run the tests: $1; missing packages: $2" >&2
    echo "0 passed, 1 failed, 0 skipped"
    exit 1
}

main "$@"
